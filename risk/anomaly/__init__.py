"""Unusual behaviour: how far orders, returns, coupons and contacts are from what customers do. Beside churn, never in it."""
