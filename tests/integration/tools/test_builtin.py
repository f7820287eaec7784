import datetime
import sqlite3

import pytest

from tools_app.demo import knowledge, shop
from tools_app.fulltext import search
from tools_app.models import KnowledgeDocument, Metric

NOW = datetime.datetime(2026, 11, 22, 15, 30)


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
    Metric.objects.filter(name="users").update(unit="people")
    Metric.objects.filter(name="orders").delete()
    built = path.stat().st_mtime_ns
    call_command("load_demo")
    assert capsys.readouterr().out == ""
    assert path.stat().st_mtime_ns == built
    assert not KnowledgeDocument.objects.filter(source="demo/shipping.md").exists()
    assert set(Metric.objects.values_list("name", "unit")) == {
        ("users", "people"), ("revenue", "USD"), ("conversions", "percent"),
    }  # fmt: skip
    call_command("load_demo", force=True)
    assert path.stat().st_mtime_ns != built
    assert KnowledgeDocument.objects.get(source="demo/returns.md").text == "Edited by a person."
    assert KnowledgeDocument.objects.filter(source="demo/shipping.md").exists()
    assert set(Metric.objects.values_list("name", "unit")) == {
        ("users", "people"), ("orders", "orders"), ("revenue", "USD"), ("conversions", "percent"),
    }  # fmt: skip
