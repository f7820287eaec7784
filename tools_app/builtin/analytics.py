"""The company's metrics over a period, with the trend against the period before."""

import datetime
from typing import Annotated, Literal

from django.db import Error
from pydantic import Field

from .. import metrics
from ..exceptions import ToolError
from ..models import Metric
from ..readonly_sql import some_of
from ..registry import tool

# What the model is told of one metric, and how many it is told of.
MAX_DESCRIPTION = 200
MAX_METRICS = 50
NONE_YET = (
    "There are no metrics yet. Somebody who may use the admin can write them there (Tools, Metrics); "
    "`python manage.py load_demo` makes those of the demo shop."
)


def describe_analytics() -> str:
    purpose = (
        "Get a figure of the company for a period: its total, its course by day, week or month, and its trend against "
        f"the equally long period before. Today is {datetime.date.today():%A, %Y-%m-%d}."
    )
    try:
        enabled = list(Metric.objects.filter(enabled=True)[: MAX_METRICS + 1])
    except Error:
        return f"{purpose} The metrics cannot be listed now."
    if not enabled:
        return f"{purpose} {NONE_YET}"
    listed = "; ".join(_describe(metric) for metric in enabled[:MAX_METRICS])
    more = "; there are more, which a wrong name lists" if len(enabled) > MAX_METRICS else ""
    return f"{purpose} Metrics: {listed}{more}."


def _describe(metric: Metric) -> str:
    unit = f" ({metric.unit})" if metric.unit else ""
    description = " ".join(metric.description.split()).rstrip(".")[:MAX_DESCRIPTION]
    return f"{metric.name}{unit}: {description}" if description else f"{metric.name}{unit}"


@tool(description=describe_analytics)
def get_analytics(
    metric: Annotated[str, Field(description="Which figure: the name of a metric.")],
    start: Annotated[datetime.date, Field(alias="startDate", description="The first day.")],
    end: Annotated[datetime.date, Field(alias="endDate", description="The last day, included.")],
    interval: Annotated[
        Literal["day", "week", "month", "auto"], Field(description="The steps of the series.")
    ] = "auto",
) -> dict:
    found = Metric.objects.filter(name=metric.strip().lower(), enabled=True).first()
    if found is None:
        names = list(Metric.objects.filter(enabled=True).values_list("name", flat=True))
        raise ToolError(
            f"There is no metric called {metric[:50]!r}; the metrics are: {some_of(names, 100)}." if names else NONE_YET
        )
    return metrics.report(found, start, end, None if interval == "auto" else interval)
