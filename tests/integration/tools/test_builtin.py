import datetime
import sqlite3

import pytest

from tools_app.builtin.analytics import _trend
from tools_app.demo import knowledge, shop
from tools_app.fulltext import search
from tools_app.models import KnowledgeDocument

NOW = datetime.datetime(2026, 11, 22, 15, 30)


# --- analytics


def of(database, sql):
    connection = sqlite3.connect(database["NAME"])
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("metric", "unit", "sql"),
    [
        ("orders", "orders", "SELECT count(*) FROM orders WHERE status != 'cancelled' AND {period}"),
        ("revenue", "USD", "SELECT round(sum(total), 2) FROM orders WHERE status != 'cancelled' AND {period}"),
        ("users", "users", "SELECT count(DISTINCT customer_id) FROM visits WHERE {period}"),
    ],
)
async def test_analytics_are_what_the_rows_say(call, demo_shop, metric, unit, sql):
    result = (await call("get_analytics", metric=metric, startDate="2026-11-14", endDate="2026-11-20")).result
    expected = of(demo_shop, sql.format(period="date(created_at) BETWEEN '2026-11-14' AND '2026-11-20'"))
    before = of(demo_shop, sql.format(period="date(created_at) BETWEEN '2026-11-07' AND '2026-11-13'"))
    assert (result["total"], result["unit"]) == (expected, unit)
    assert result["trend"]["previousTotal"] == before
    assert result["trend"]["percent"] == round(100 * (expected - before) / before, 1)
    assert [point["date"] for point in result["dataPoints"]] == [f"2026-11-{day}" for day in range(14, 21)]
    if metric != "users":
        assert sum(point["value"] for point in result["dataPoints"]) == pytest.approx(expected)


async def test_conversions_are_orders_per_hundred_visits(call, demo_shop):
    result = (await call("get_analytics", metric="conversions", startDate="2026-11-20", endDate="2026-11-20")).result
    day = "date(created_at) = '2026-11-20'"
    orders = of(demo_shop, f"SELECT count(*) FROM orders WHERE status != 'cancelled' AND {day}")
    visits = of(demo_shop, f"SELECT count(*) FROM visits WHERE {day}")
    assert result["total"] == result["dataPoints"][0]["value"] == round(100 * orders / visits, 2)


async def test_a_year_has_a_year_before_it(call, demo_shop):
    result = (await call("get_analytics", metric="revenue", startDate="2025-11-23", endDate="2026-11-22")).result
    assert len(result["dataPoints"]) == 365
    assert "truncated" not in result
    assert result["trend"]["direction"] == "up"
    assert 0 < result["trend"]["percent"] < 60


async def test_a_time_without_data_is_zero_and_not_an_error(call, demo_shop):
    result = (await call("get_analytics", metric="conversions", startDate="1990-01-01", endDate="1990-01-02")).result
    assert result["total"] == 0
    assert result["trend"] == {"direction": "flat", "percent": None, "previousTotal": 0}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"endDate": "2026-10-01"}, "is before startDate"),
        ({"startDate": "2020-01-01"}, "at most 366"),
        ({"startDate": "last week"}, "'startDate' is wrong"),
        ({"startDate": "0001-01-01", "endDate": "0001-01-02"}, "choose a later startDate"),
        ({"metric": "profit"}, "'users', 'revenue', 'orders' or 'conversions'"),
        ({"startDate": "2026-11-01' OR 1=1 --"}, "'startDate' is wrong"),
    ],
)
async def test_wrong_periods_are_sentences(call, demo_shop, changes, sentence):
    args = {"metric": "users", "startDate": "2026-11-01", "endDate": "2026-11-07"} | changes
    outcome = await call("get_analytics", **args)
    assert outcome.status == "error"
    assert sentence in outcome.error


async def test_the_end_of_time_is_no_crash(call, demo_shop):
    outcome = await call("get_analytics", metric="orders", startDate="9999-12-30", endDate="9999-12-31")
    assert outcome.result["total"] == 0


@pytest.mark.parametrize(
    ("total", "previous", "direction", "percent"),
    [(110, 100, "up", 10.0), (50, 100, "down", -50.0), (100, 100, "flat", 0.0), (100.5, 100, "flat", 0.5),
     (5, 0, "up", None), (0, 0, "flat", None)],
)  # fmt: skip
def test_trends(total, previous, direction, percent):
    assert _trend(total, previous) == {"direction": direction, "percent": percent, "previousTotal": previous}


# --- knowledge


@pytest.mark.django_db
def test_the_seeds_question_finds_the_documents_about_ai():
    knowledge.load()
    assert {result["title"] for result in search("AI", 2)} == {
        "Our AI assistant",
        "Guidelines for the use of AI at work",
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("how long can I return an article", "Returns and refunds"),
        ("returning", "Returns and refunds"),
        ("express delivery cost", "Shipping and delivery"),
        ("opening hours of the showroom in Berlin", "Opening hours and contact"),
        ("GIFT card?", "Gift cards"),
        ("cast-iron", "Care for wood, textiles and iron"),
        ("points for loyal customers voucher", 'Loyalty program "Grove"'),
        ("is my data private", "Privacy and personal data"),
        ("bulk discount for hotels", "Business customers and bulk orders"),
        ("cancel my order", "Changing or cancelling an order"),
    ],
)
def test_questions_find_their_document(query, title):
    knowledge.load()
    found = search(query, 3)
    assert title in [result["title"] for result in found[:2]]
    assert found == sorted(found, key=lambda result: -result["score"])
    assert all(result["passage"] and result["source"].startswith("demo/") for result in found)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    ['"', "'", "AI AND", "OR", "NOT AI", "NEAR(a, b)", "title:", "-", "*", "a*", "^a", "(", ")", "{a}", ";", "%",
     "a\x00b", "'; DROP TABLE tools_app_knowledgedocument; --", "+" * 500, "AI" * 250, " ".join("abcdefghij" * 20),
     "日本語", "ﷺ"],
)  # fmt: skip
def test_punctuation_is_never_syntax(query):
    knowledge.load()
    assert isinstance(search(query, 5), list)
    assert KnowledgeDocument.objects.count() > 10


@pytest.mark.django_db
def test_the_index_follows_every_change():
    document = KnowledgeDocument.objects.create(title="Quokkas", text="A small marsupial of Rottnest Island.")
    assert [result["title"] for result in search("marsupials", 5)] == ["Quokkas"]
    document.text = "Smiles a lot."
    document.save()
    assert search("marsupial", 5) == []
    assert len(search("smiling", 5)) == 1
    KnowledgeDocument.objects.update(text="Déjà vu")
    assert len(search("deja", 5)) == 1
    KnowledgeDocument.objects.all().delete()
    assert search("deja", 5) == []


async def test_the_knowledge_tools_result(call):
    await KnowledgeDocument.objects.acreate(title="Quokkas", text="They smile.", source="zoo.md")
    result = (await call("search_knowledge_base", query="quokka smile", maxResults=3.0)).result
    assert result["query"] == "quokka smile"
    assert result["total"] == 1
    assert result["results"][0] | {"score": 0} == {
        "title": "Quokkas",
        "passage": "They smile.",
        "source": "zoo.md",
        "score": 0,
    }
    assert "no word to look for" in (await call("search_knowledge_base", query="?!")).error
    assert (await call("search_knowledge_base", query="a", maxResults=0)).status == "error"


# --- demo


def dump(path):
    connection = sqlite3.connect(path)
    try:
        return {
            table: connection.execute(f"SELECT * FROM {table}").fetchall()
            for table in ("customers", "products", "orders", "visits")
        }
    finally:
        connection.close()


def test_the_shop_is_the_same_for_the_same_moment_and_never_in_the_future(tmp_path, shop_file):
    shop.build(tmp_path / "again.sqlite3", NOW)
    tables = dump(shop_file)
    assert dump(tmp_path / "again.sqlite3") == tables
    assert [path.name for path in tmp_path.iterdir()] == ["again.sqlite3"]
    for table in ("customers", "orders", "visits"):
        moments = [row[-1] for row in tables[table]]
        assert len(moments) > 1000
        assert max(moments) <= "2026-11-22 15:30:00"
        assert moments == sorted(moments)
    assert max(row[-1] for row in tables["visits"]) > "2026-11-22"


def test_the_shop_holds_together(shop_file):
    tables = dump(shop_file)
    customers = {row[0]: row[-1] for row in tables["customers"]}
    prices = {row[0]: row[3] for row in tables["products"]}
    assert len({row[2] for row in tables["customers"]}) == len(customers)
    for _, customer, product, quantity, total, status, moment in tables["orders"]:
        assert total == round(prices[product] * quantity, 2)
        assert status in {"paid", "shipped", "delivered", "returned", "cancelled"}
        assert moment[:10] >= customers[customer][:10]
    assert all(row[1] is None or row[1] in customers for row in tables["visits"])


def test_a_shop_of_another_day_is_not_current(shop_file, tmp_path):
    assert shop.is_current(shop_file, NOW.replace(hour=23))
    assert not shop.is_current(shop_file, NOW + datetime.timedelta(days=1))
    assert not shop.is_current(tmp_path / "missing", NOW)
    (tmp_path / "broken").write_text("no database")
    assert not shop.is_current(tmp_path / "broken", NOW)


def test_a_failed_build_leaves_the_old_shop(shop_file, tmp_path, monkeypatch):
    path = tmp_path / "shop.sqlite3"
    path.write_bytes(shop_file.read_bytes())
    monkeypatch.setattr(shop, "INDEXES", "no sql;")
    with pytest.raises(sqlite3.OperationalError):
        shop.build(path, NOW)
    assert path.read_bytes() == shop_file.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.django_db
def test_load_demo_builds_once_a_day_and_respects_what_people_changed(settings, tmp_path, capsys):
    from django.core.management import call_command

    path = tmp_path / "shop.sqlite3"
    settings.DEMO_DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    call_command("load_demo")
    assert "Built the demo shop:" in capsys.readouterr().out
    KnowledgeDocument.objects.filter(source="demo/returns.md").update(text="Edited by a person.")
    KnowledgeDocument.objects.filter(source="demo/shipping.md").delete()
    built = path.stat().st_mtime_ns
    call_command("load_demo")
    assert capsys.readouterr().out == ""
    assert path.stat().st_mtime_ns == built
    assert not KnowledgeDocument.objects.filter(source="demo/shipping.md").exists()
    call_command("load_demo", force=True)
    assert path.stat().st_mtime_ns != built
    assert KnowledgeDocument.objects.get(source="demo/returns.md").text == "Edited by a person."
    assert KnowledgeDocument.objects.filter(source="demo/shipping.md").exists()
