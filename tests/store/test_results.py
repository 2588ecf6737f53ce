"""SQLite and PostgreSQL keep results alike."""

from __future__ import annotations

from tests.store.store_contract import StoreContract


class TestStore(StoreContract):
    """Every test of the contract on both; see `conftest.url`."""
