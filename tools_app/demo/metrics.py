"""The demo shop's metrics, as rows that the admin may then edit."""

from django.conf import settings

from ..models import Metric

PERIOD = "created_at >= :start AND created_at < :end"
SALES = f"FROM orders WHERE status <> 'cancelled' AND {PERIOD}"
VISITS = f"FROM visits WHERE {PERIOD}"
# name: (description, unit, SQL)
METRICS = {
    "users": (
        "Customers who visited the shop, each counted once",
        "users",
        f"SELECT COUNT(DISTINCT customer_id) {VISITS}",
    ),
    "revenue": (
        "What was sold, in US dollars, without cancelled orders",
        "USD",
        f"SELECT ROUND(COALESCE(SUM(total), 0), 2) {SALES}",
    ),
    "orders": ("Orders, without cancelled ones", "orders", f"SELECT COUNT(*) {SALES}"),
    "conversions": (
        "Orders per hundred visits, without cancelled orders",
        "percent",
        f"SELECT ROUND(COALESCE(100.0 * (SELECT COUNT(*) {SALES}) / NULLIF((SELECT COUNT(*) {VISITS}), 0), 0), 2)",
    ),
}


def load(*, missing: bool = False) -> int:
    """Create the rows and return how many; as with the documents, once only, unless for those that are `missing`."""
    present = set(Metric.objects.filter(name__in=METRICS).values_list("name", flat=True))
    if present and not missing:
        return 0
    database = next((name for name, entry in settings.SQL_DATABASES.items() if entry == settings.DEMO_DATABASE), "main")
    created = [
        Metric(name=name, database=database, description=description, unit=unit, sql=sql)
        for name, (description, unit, sql) in METRICS.items()
        if name not in present
    ]
    return len(Metric.objects.bulk_create(created))
