//! The response of a Log Analytics query: tables, whose columns are named once for all rows.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::fields::{self, KeyName};
use super::keys::{Slot, column_slot};
use super::lenient::{Lenient, Shape};
use super::paths::{elements, paths};
use super::scalar::Scalar;

pub(super) struct TableParts<'a> {
    pub(super) columns: Vec<Option<Slot>>,
    pub(super) rows: Option<&'a str>,
}

paths! {
    enum TableAt (Exact) {
        Columns = Json "columns",
    }
}

paths! {
    enum ColumnAt (Exact) {
        Name = Scalar "name",
    }
}

/// A row as the object it stands for. Both texts must be valid JSON.
pub(super) fn object_of(row: &str, table: &str) -> String {
    let columns = TableAt::read(table).map_or("", |table| table.json(TableAt::Columns));
    let mut object = String::with_capacity(row.len() + columns.len());
    object.push('{');
    for (column, cell) in elements(columns).zip(sonic_rs::to_array_iter(row).map_while(Result::ok)) {
        let name = ColumnAt::read(column).map(|mut column| column.text(ColumnAt::Name)).unwrap_or_default();
        // What is read is named in letters; nothing else would be worth an escape.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let comma = if object.len() > 1 { "," } else { "" };
        for part in [comma, "\"", &name, "\":", cell.as_raw_str()] {
            object.push_str(part);
        }
    }
    object.push('}');
    object
}

pub(super) struct TableShape;

impl<'de> Shape<'de> for TableShape {
    type Value = Option<TableParts<'de>>;

    fn none(self) -> Self::Value {
        None
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut parts = TableParts { columns: Vec::new(), rows: None };
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            match &*key {
                "columns" => parts.columns = entries.next_value_seed(Lenient(ColumnsShape))?,
                "rows" => parts.rows = fields::raw_array(entries.next_value()?),
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(parts))
    }
}

struct ColumnsShape;

impl<'de> Shape<'de> for ColumnsShape {
    type Value = Vec<Option<Slot>>;

    fn none(self) -> Self::Value {
        Vec::new()
    }

    fn array<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut columns = Vec::new();
        while let Some(slot) = elements.next_element_seed(Lenient(ColumnShape))? {
            columns.push(slot);
        }
        Ok(columns)
    }
}

struct ColumnShape;

impl<'de> Shape<'de> for ColumnShape {
    type Value = Option<Slot>;

    fn none(self) -> Self::Value {
        None
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut slot = None;
        while let Some(is_name) = entries.next_key_seed(KeyName(|key: &str| key == "name"))? {
            if is_name {
                slot = column_slot(entries.next_value::<Scalar<'de>>()?.as_str());
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(slot)
    }
}
