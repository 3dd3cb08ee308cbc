//! The reference for decoding: a derived struct of the fields a detection needs, borrowed from the record, and
//! nothing done with them. It reads one form only and decides nothing.
#![allow(dead_code, reason = "read to be checked, not used")]

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// Text or null. A derived `Option<Cow<str>>` would copy.
#[derive(Default)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record<'a> {
    #[serde(borrow)]
    pub time: Text<'a>,
    #[serde(borrow)]
    pub category: Text<'a>,
    #[serde(borrow)]
    pub operation_name: Text<'a>,
    #[serde(borrow)]
    pub resource_id: Text<'a>,
    #[serde(borrow)]
    pub tenant_id: Text<'a>,
    #[serde(borrow)]
    pub result_type: Text<'a>,
    #[serde(borrow)]
    pub result_signature: Text<'a>,
    #[serde(borrow)]
    pub caller_ip_address: Text<'a>,
    #[serde(borrow)]
    pub identity: Text<'a>,
    #[serde(borrow)]
    pub properties: Properties<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Properties<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub created_date_time: Text<'a>,
    #[serde(borrow)]
    pub user_id: Text<'a>,
    #[serde(borrow)]
    pub user_principal_name: Text<'a>,
    #[serde(borrow)]
    pub user_display_name: Text<'a>,
    #[serde(borrow)]
    pub app_id: Text<'a>,
    #[serde(borrow)]
    pub app_display_name: Text<'a>,
    #[serde(borrow)]
    pub resource_display_name: Text<'a>,
    #[serde(borrow)]
    pub ip_address: Text<'a>,
    #[serde(borrow)]
    pub client_app_used: Text<'a>,
    #[serde(borrow)]
    pub user_agent: Text<'a>,
    pub is_interactive: Option<bool>,
    pub autonomous_system_number: Option<u32>,
    #[serde(borrow)]
    pub correlation_id: Text<'a>,
    #[serde(borrow)]
    pub original_request_id: Text<'a>,
    #[serde(borrow)]
    pub session_id: Text<'a>,
    #[serde(borrow)]
    pub unique_token_identifier: Text<'a>,
    #[serde(borrow)]
    pub incoming_token_type: Text<'a>,
    #[serde(borrow)]
    pub token_issuer_type: Text<'a>,
    #[serde(borrow)]
    pub authentication_protocol: Text<'a>,
    #[serde(borrow)]
    pub authentication_requirement: Text<'a>,
    #[serde(borrow)]
    pub home_tenant_id: Text<'a>,
    #[serde(borrow)]
    pub service_principal_id: Text<'a>,
    #[serde(borrow)]
    pub status: Status<'a>,
    #[serde(borrow)]
    pub device_detail: Device<'a>,
    #[serde(borrow)]
    pub location: Location<'a>,
    #[serde(borrow)]
    pub authentication_details: Vec<Step<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status<'a> {
    pub error_code: u32,
    #[serde(borrow)]
    pub additional_details: Text<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Device<'a> {
    #[serde(borrow)]
    pub device_id: Text<'a>,
    #[serde(borrow)]
    pub display_name: Text<'a>,
    #[serde(borrow)]
    pub operating_system: Text<'a>,
    #[serde(borrow)]
    pub browser: Text<'a>,
    pub is_compliant: Option<bool>,
    pub is_managed: Option<bool>,
    #[serde(borrow)]
    pub trust_type: Text<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Location<'a> {
    #[serde(borrow)]
    pub city: Text<'a>,
    #[serde(borrow)]
    pub state: Text<'a>,
    #[serde(borrow)]
    pub country_or_region: Text<'a>,
    pub geo_coordinates: Coordinates,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Coordinates {
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step<'a> {
    #[serde(borrow)]
    pub authentication_method: Text<'a>,
    pub succeeded: Option<bool>,
    #[serde(borrow)]
    pub authentication_step_result_detail: Text<'a>,
    #[serde(borrow)]
    pub authentication_step_requirement: Text<'a>,
}

impl Record<'_> {
    /// Something of every part, so that all of it must be read.
    pub fn checksum(&self) -> u64 {
        let texts = [&self.properties.id, &self.properties.user_id, &self.properties.device_detail.browser];
        let length: usize = texts.iter().map(|text| text.0.len()).sum();
        length as u64 + u64::from(self.properties.status.error_code)
    }
}

/// Reads one record as the fastest crate does.
pub fn parse(record: &[u8]) -> u64 {
    sonic_rs::from_slice::<Record<'_>>(record).map_or(0, |record| record.checksum())
}
