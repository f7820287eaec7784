"""The demo shop's database: the same for the same moment, dated back from it, with seasons, weekends and growth."""

import datetime
import math
import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Two years, so that last year has a year before it to be compared with.
DAYS = 760
# Raise it when what is built changes: databases of another version are built anew.
VERSION = 1
CUSTOMERS_BEFORE = 150
SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, city TEXT NOT NULL, country TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, price REAL NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id),
    product_id INTEGER NOT NULL REFERENCES products(id), quantity INTEGER NOT NULL, total REAL NOT NULL,
    status TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE visits (
    id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), page TEXT NOT NULL, source TEXT NOT NULL,
    created_at TEXT NOT NULL
);
"""
INDEXES = """
CREATE INDEX customers_created ON customers(created_at);
CREATE INDEX orders_created ON orders(created_at);
CREATE INDEX orders_customer ON orders(customer_id);
CREATE INDEX orders_product ON orders(product_id);
CREATE INDEX visits_created ON visits(created_at);
"""
FIRST_NAMES = """Ada Ben Carla David Elena Finn Grace Hugo Ines Jonas Kira Liam Mara Noah Olga Paul Quinn Rosa Sam Tara
Umar Vera Will Xenia Yusuf Zoe Amir Bella Chloe Diego Emma Felix"""
LAST_NAMES = """Adler Baker Castro Dubois Eriksen Fischer Garcia Haddad Ivanova Jensen Kim Lopez Meyer Nowak Okafor
Petrov Quist Rossi Sato Turner Ueda Vogel Walsh Young Zimmer"""
CITIES = (
    *(("New York", "United States"), ("Chicago", "United States"), ("San Francisco", "United States")),
    *(("London", "United Kingdom"), ("Manchester", "United Kingdom"), ("Berlin", "Germany"), ("Munich", "Germany")),
    *(("Paris", "France"), ("Madrid", "Spain"), ("Toronto", "Canada"), ("Tokyo", "Japan"), ("Sydney", "Australia")),
)
PRODUCTS = tuple(
    (name, category, price)
    for category, articles in {
        "Lighting": {"Oak Desk Lamp": 79.0, "Paper Moon Lamp": 49.5, "Brass Floor Lamp": 189.0, "Reading Light": 35.0},
        "Furniture": {"Walnut Chair": 249.0, "Standing Desk": 549.0, "Bookshelf": 329.0, "Linen Armchair": 459.0},
        "Textiles": {"Wool Blanket": 89.0, "Linen Sheets": 129.0, "Velvet Cushion": 32.0, "Cotton Towels": 44.0},
        "Kitchen": {"Cast Iron Pan": 69.0, "Tea Kettle": 54.0, "Chef's Knife": 95.0, "Espresso Maker": 139.0},
        "Garden": {"Garden Bench": 279.0, "Clay Planter": 29.0, "Watering Can": 38.0, "Solar Lantern": 42.0},
    }.items()
    for name, price in articles.items()
)
SOURCES = ("search", "search", "search", "direct", "direct", "newsletter", "social", "advert")
PAGES = ("/", "/products", "/products", "/lighting", "/furniture", "/textiles", "/kitchen", "/garden", "/sale", "/help")
STATUSES = ("delivered",) * 17 + ("cancelled", "returned", "returned")


def is_current(path: Path, now: datetime.datetime) -> bool:
    """Whether the database at `path` was built on this day by this version."""
    if not path.is_file():
        return False
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute("PRAGMA user_version").fetchone()[0] == _stamp(now)
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def build(path: Path, now: datetime.datetime) -> dict[str, int]:
    """Write the database anew, at once for everyone who reads it, and return the rows of each table.

    `now` is local time without a zone; nothing in the shop is later than it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    temporary = Path(name)
    try:
        connection = sqlite3.connect(temporary)
        try:
            counts = _fill(connection, now)
        finally:
            connection.close()
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return counts


def _fill(connection: sqlite3.Connection, now: datetime.datetime) -> dict[str, int]:
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + SCHEMA)
    shop = _Shop(now)
    shop.open()
    rows = {
        "customers": shop.customers,
        "products": [(number, *product) for number, product in enumerate(PRODUCTS, start=1)],
        "orders": shop.orders,
        "visits": shop.visits,
    }
    for table, values in rows.items():
        marks = ", ".join("?" * len(values[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608  our own table names
    connection.commit()
    connection.executescript(f"{INDEXES} ANALYZE; PRAGMA user_version = {_stamp(now)};")
    return {table: len(values) for table, values in rows.items()}


class _Shop:
    """Lives through its days and keeps rows."""

    def __init__(self, now: datetime.datetime):
        self.now = now.replace(microsecond=0)
        self.random = random.Random(f"demo shop {VERSION}")  # noqa: S311  deterministic, not secret
        self.customers: list[tuple] = []
        self.orders: list[tuple] = []
        self.visits: list[tuple] = []

    def open(self) -> None:
        first = self.now.date() - datetime.timedelta(days=DAYS - 1)
        for _ in range(CUSTOMERS_BEFORE):
            self._register(self._moment(first - datetime.timedelta(days=self.random.randint(1, 300))))
        self.customers.sort(key=lambda customer: customer[-1])
        self.customers = [(number, *customer[1:]) for number, customer in enumerate(self.customers, start=1)]
        for number in range(DAYS):
            self._day(first + datetime.timedelta(days=number), number / DAYS)

    def _day(self, day: datetime.date, progress: float) -> None:
        strength = self._strength(day, progress)
        for moment in self._moments(day, 1.2 * strength):
            self._register(moment)
        for moment in self._moments(day, 90 * strength):
            visitor = self.random.choice(self.customers)[0] if self.random.random() < 0.4 else None
            self.visits.append(
                (len(self.visits) + 1, visitor, self.random.choice(PAGES), self.random.choice(SOURCES), _text(moment))
            )
        for moment in self._moments(day, 6 * strength):
            self._order(day, moment)

    def _strength(self, day: datetime.date, progress: float) -> float:
        """How busy a day is: growth by half, a winter peak, a strong December, quiet Sundays, and luck."""
        season = 1 + 0.2 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 345) / 365)
        festive = 1.35 if day.month == 12 and day.day < 24 else 1.0
        weekday = (1.0, 0.95, 1.0, 1.05, 1.15, 1.2, 0.75)[day.weekday()]
        return (0.8 + 0.4 * progress) * season * festive * weekday * self.random.uniform(0.85, 1.15)

    def _moments(self, day: datetime.date, mean: float) -> Iterator[datetime.datetime]:
        count = max(0, round(self.random.gauss(mean, math.sqrt(mean))))
        return (moment for moment in sorted(self._moment(day) for _ in range(count)) if moment <= self.now)

    def _moment(self, day: datetime.date) -> datetime.datetime:
        second = int(self.random.triangular(6 * 3600, 24 * 3600 - 1, 19 * 3600))
        return datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(seconds=second)

    def _register(self, moment: datetime.datetime) -> None:
        number = len(self.customers) + 1
        first, last = self.random.choice(FIRST_NAMES.split()), self.random.choice(LAST_NAMES.split())
        city, country = self.random.choice(CITIES)
        email = f"{first}.{last}.{number}@example.com".lower()
        self.customers.append((number, f"{first} {last}", email, city, country, _text(moment)))

    def _order(self, day: datetime.date, moment: datetime.datetime) -> None:
        # Half of all orders come from the fifth that came first: regulars.
        regular = self.random.random() < 0.5
        customer = self.customers[self.random.randrange(len(self.customers) // (5 if regular else 1))]
        product = self.random.randrange(len(PRODUCTS))
        if PRODUCTS[product][1] == "Garden" and day.month in (11, 12, 1, 2):
            product = self.random.randrange(4)  # nobody plants in winter: a lamp instead
        quantity = self.random.choice((1, 1, 1, 1, 2, 2, 3))
        age = (self.now.date() - day).days
        status = "paid" if age < 2 else "shipped" if age < 5 else self.random.choice(STATUSES)
        total = round(PRODUCTS[product][2] * quantity, 2)
        self.orders.append((len(self.orders) + 1, customer[0], product + 1, quantity, total, status, _text(moment)))


def _text(moment: datetime.datetime) -> str:
    return moment.isoformat(sep=" ")


def _stamp(now: datetime.datetime) -> int:
    return int(f"{now:%Y%m%d}") * 10 + VERSION
