"""Saved views: the own ones and those that others share; nobody changes another person's."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.errors import Conflict, Forbidden, NotFound
from assistant.review import saved_views


def save(shop: Any, who: Any, name: str, **values: Any) -> str:
    given = {"filters": {"band": "high"}, "shared": False, **values}
    return shop.write(saved_views.save, who, name=name, now=shop.now, **given)


def names(shop: Any, who: Any) -> list[tuple[str, bool]]:
    return [(view["name"], view["own"]) for view in shop.read(saved_views.views_of, who)]


def test_own_and_shared_ones(shop: Any, other_shop: Any) -> None:
    sam, ada = shop.hire("Sam", role="supervisor"), shop.hire("Ada", role="admin")
    foreign = other_shop.hire("Eve", role="supervisor")
    view = save(shop, sam, "退货 and 退款", shared=True, filters={"q": "退货", "sort": "uncertain"})
    save(shop, sam, "At risk")
    save(shop, ada, "Declined offers")
    assert names(shop, sam) == [("At risk", True), ("退货 and 退款", True)]
    assert names(shop, ada) == [("Declined offers", True), ("退货 and 退款", False)]
    assert names(other_shop, foreign) == []
    shared = shop.read(saved_views.views_of, ada)[1]
    assert (shared["by"], shared["filters"], shared["id"]) == ("Sam", {"q": "退货", "sort": "uncertain"}, view)


def test_renaming_changing_sharing_and_taking_out(shop: Any) -> None:
    sam, ada = shop.hire("Sam", role="supervisor"), shop.hire("Ada", role="supervisor")
    view = save(shop, sam, "One")
    shop.write(saved_views.change, sam, view, now=shop.now, name="Two", filters={"q": "x"})
    assert names(shop, ada) == []
    shop.write(saved_views.change, sam, view, now=shop.now, shared=True)
    assert names(shop, ada) == [("Two", False)]
    shop.write(saved_views.change, sam, view, now=shop.now, name="Two")  # its own name is free
    shop.write(saved_views.remove, sam, view)
    assert names(shop, sam) == []


def test_a_name_is_used_once_a_person(shop: Any) -> None:
    sam, ada = shop.hire("Sam", role="supervisor"), shop.hire("Ada", role="supervisor")
    save(shop, sam, "One")
    second = save(shop, sam, "Two")
    save(shop, ada, "One")
    with pytest.raises(Conflict) as taken:
        save(shop, sam, "One")
    assert taken.value.reason == "name_taken"
    with pytest.raises(Conflict):
        shop.write(saved_views.change, sam, second, now=shop.now, name="One")


def test_there_is_an_end_to_them(shop: Any) -> None:
    sam = shop.hire("Sam", role="supervisor")
    for number in range(saved_views.MOST):
        save(shop, sam, f"view {number}")
    with pytest.raises(Conflict) as full:
        save(shop, sam, "one more")
    assert full.value.reason == "too_many"


def test_another_persons_view(shop: Any, other_shop: Any) -> None:
    sam, ben = shop.hire("Sam", role="supervisor"), shop.hire("Ben", role="supervisor")
    ada, foreign = shop.hire("Ada", role="admin"), other_shop.hire("Eve", role="admin")
    own, shared = save(shop, sam, "own"), save(shop, sam, "shared", shared=True)
    for who, view, error in ((ben, own, NotFound), (ada, own, NotFound), (foreign, shared, NotFound)):
        with pytest.raises(error):
            shop.write(saved_views.remove, who, view)
    with pytest.raises(Forbidden):
        shop.write(saved_views.remove, ben, shared)
    for who in (ben, ada):
        with pytest.raises(Forbidden):
            shop.write(saved_views.change, who, shared, now=shop.now, name="mine now")
    shop.write(saved_views.remove, ada, shared)  # of somebody who has left, say
    assert names(shop, sam) == [("own", True)]
