"""Rows by tag, on every database."""

from __future__ import annotations

from typing import TypeVar

from django.db import connection
from django.db.models import BooleanField, Model, QuerySet
from django.db.models.expressions import RawSQL
from rest_framework import serializers

M = TypeVar("M", bound=Model)

MAX_TAGS = 20
LONGEST_TAG = 40


def with_tag(queryset: QuerySet[M], tag: str) -> QuerySet[M]:
    """Return the rows whose `tags` hold `tag`; SQLite knows no containment of JSON, so it is asked in SQL."""
    if connection.features.supports_json_field_contains:
        return queryset.filter(tags__contains=[tag])
    table = connection.ops.quote_name(queryset.model._meta.db_table)
    sql = f"EXISTS (SELECT 1 FROM json_each({table}.tags) WHERE json_each.value = %s)"  # noqa: S608  (a table's name)
    return queryset.filter(RawSQL(sql, [tag], output_field=BooleanField()))  # noqa: S611  (the tag is a parameter)


def tags_field() -> serializers.ListField:
    """Return the field of a request that sets tags."""
    return serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_TAG), max_length=MAX_TAGS, required=False
    )
