"""What a pass decides about the traffic: all policies, in the order in which they are asked.

The order is part of the meaning. What people order comes before everything that happens by itself; what takes traffic
away comes before what could wait; and nothing new begins before the champion has passed its probation.
"""

from __future__ import annotations

from typing import Final

from viridian.rollout.decision import RolloutDecision
from viridian.rollout.policies.availability import keep_users_served, lost_its_pods
from viridian.rollout.policies.chain import Chain, first
from viridian.rollout.policies.champion import FIRST_CHAMPION, is_not_ready_yet, rests
from viridian.rollout.policies.commands import is_rejected_by_order, is_retried_by_order, is_rolled_back_by_order
from viridian.rollout.policies.deploying import is_deploying
from viridian.rollout.policies.drill import begins_a_drill, is_on_drill
from viridian.rollout.policies.monitored import is_worse_than_promised
from viridian.rollout.policies.probation import is_on_probation
from viridian.rollout.policies.trial import is_on_trial, is_superseded
from viridian.rollout.state import RolloutState

ROLLOUT: Final[Chain] = (
    lost_its_pods,  # a challenger that has no traffic any more: the record must say so before anything else
    is_rolled_back_by_order,  # first of the orders: the champion is in doubt, and a challenger makes room
    is_rejected_by_order,
    is_superseded,  # another revision is desired: no further step of this one
    is_retried_by_order,
    is_on_trial,
    is_worse_than_promised,  # before a newer version takes the slot of the fallback as well
    is_on_drill,  # the fallback serves, so nothing may take its slot
    is_on_probation,  # before a newer version takes the slot of the fallback
    is_deploying,
    begins_a_drill,  # once nothing else goes on
    # where none has an answer, the champion serves and nothing is to be done
)


def choose(state: RolloutState) -> RolloutDecision:
    """The decision of this pass."""
    if state.traffic is None:
        return first(FIRST_CHAMPION, state) or is_not_ready_yet(state)
    return keep_users_served(state, first(ROLLOUT, state) or rests(state))
