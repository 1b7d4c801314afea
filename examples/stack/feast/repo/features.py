"""The features of the churn model: one definition, for training and for serving."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
orders = FeatureView(
    name="orders",
    entities=[customer],
    ttl=timedelta(days=365),
    schema=[Field(name="orders_per_month", dtype=Float64), Field(name="complaints", dtype=Int64)],
    source=FileSource(path="data/orders.parquet", timestamp_field="event_timestamp"),
)
churn = FeatureService(name="churn", features=[orders])
