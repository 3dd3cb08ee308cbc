//! The response of a Log Analytics query: tables, whose columns are named once for all rows.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::fields::{self, KeyName};
use super::keys::{Slot, column_slot};
use super::lenient::{Lenient, Shape};
use super::scalar::Scalar;

pub(super) struct TableParts<'a> {
    pub(super) columns: Vec<Option<Slot>>,
    pub(super) rows: Option<&'a str>,
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
