"""Authentication, authorization and the quotas of namespaces."""
