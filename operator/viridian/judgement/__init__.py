"""Judgement: plain maths from numbers to verdicts. No I/O, no clock, no chance."""
