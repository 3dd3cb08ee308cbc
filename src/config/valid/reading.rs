//! Sections `mappings` and `identity`, raw → valid.

use std::path::PathBuf;

use super::Build;
use crate::config::IdentityConfig;
use crate::config::raw::File;
use crate::config::raw::reading::{Identity, MappedField, Mapping};
use crate::config::schema::unknown_key;
use crate::engine::decode::{
    Condition, Decoder, Field, MappingRule, Mappings, PeopleRules, Rule, Unwrap, is_time_format, parse_pointer,
};

impl Build<'_> {
    pub(super) fn decoder(&mut self, file: &File) -> Decoder {
        self.unique_names("mappings", file.mappings.iter().map(|mapping| &mapping.name));
        let rules =
            file.mappings.iter().enumerate().map(|(index, mapping)| self.mapping(index, mapping)).collect();
        let mut unwrap = Vec::new();
        for pointer in file.input.unwrap.iter().filter_map(|text| parse_pointer(&text.0)) {
            match unwrap.contains(&pointer) {
                true => self.problem("input.unwrap", "a pointer is there twice".to_owned()),
                false => unwrap.push(pointer),
            }
        }
        Decoder {
            year: file.input.year.and_then(|year| i16::try_from(year).ok()),
            unwrap: Unwrap::new(unwrap).into(),
            mappings: Mappings::new(rules).into(),
            ..Decoder::new(file.input.format)
        }
    }

    fn mapping(&mut self, index: usize, mapping: &Mapping) -> MappingRule {
        let index_text = index.to_string();
        let mut rule =
            MappingRule { name: mapping.name.clone(), conditions: Vec::new(), fields: Default::default() };
        rule.conditions.extend(mapping.conditions.iter().filter_map(|condition| {
            let pointer = parse_pointer(&condition.pointer.0)?;
            Some(Condition { pointer, equals: condition.equals.clone() })
        }));
        for (name, field) in &mapping.fields {
            let path = ["mappings", &index_text, "fields", name];
            match Field::parse(name) {
                Some(known) => {
                    self.mapped_field(&path, known, field);
                    rule.fields.insert(known, rule_of(field));
                }
                None => {
                    let message = unknown_key(name, Field::ALL.into_iter().map(|(_, name)| name));
                    self.problem_at(&path, message);
                }
            }
        }
        if !mapping.fields.contains_key("outcome") {
            let message = "needs `outcome`: a table of words, or `constant: success` where every record is one";
            self.problem_at(&["mappings", &index_text, "fields"], message.to_owned());
        }
        let has_user = ["user_id", "user_principal_name"].iter().any(|name| mapping.fields.contains_key(*name));
        if !has_user {
            let message = "needs `user_id` or `user_principal_name`".to_owned();
            self.problem_at(&["mappings", &index_text, "fields"], message);
        }
        rule
    }

    /// The words that a field may have, and what only one of them can.
    fn mapped_field(&mut self, path: &[&str], known: Field, field: &MappedField) {
        if field.pointers.is_empty() && field.constant.is_none() {
            self.problem_at(path, "needs `pointers` or a `constant`".to_owned());
        }
        if let Some(allowed) = known.words() {
            let constant = field.constant.iter().map(|word| ("constant", word));
            let otherwise = field.otherwise.iter().map(|word| ("otherwise", word));
            let table = field.words.iter().map(|(written, word)| (written.as_str(), word));
            for (key, word) in table.chain(constant).chain(otherwise) {
                if !allowed.contains(&word.as_str()) {
                    let list = allowed.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
                    let below: &[&str] = if field.words.contains_key(key) { &["words", key] } else { &[key] };
                    self.problem_at(&[path, below].concat(), format!("`{word}` is not allowed; allowed: {list}"));
                }
            }
        }
        if let Some(format) = &field.time_format {
            let path = [path, &["time_format"]].concat();
            if known != Field::Time {
                self.problem_at(&path, "is for `time` only".to_owned());
            } else if !is_time_format(format) {
                let message = format!(
                    "`{format}` is not allowed; allowed: a form as in strptime, such as `%d/%b/%Y:%H:%M:%S %z`"
                );
                self.problem_at(&path, message);
            }
        }
    }

    pub(super) fn identity(&mut self, raw: &Identity, is_keyed: bool) -> IdentityConfig {
        let is_used = raw.file.is_some() || raw.rules.email;
        if is_used && raw.organization.is_none() {
            self.problem("identity.organization", "is needed with `file` or `rules.email`".to_owned());
        }
        if is_used && is_keyed {
            let message = "`true` is not allowed; allowed: `false`, because `identity` joins accounts whose records are \
                           in different partitions";
            self.problem("input.keyed", message.to_owned());
        }
        if !raw.rules.email && (raw.rules.ignore_tags || !raw.rules.domains.is_empty()) {
            self.problem("identity.rules", "`domains` and `ignore_tags` need `email`".to_owned());
        }
        let lower = |text: &String| text.to_lowercase();
        IdentityConfig {
            organization: raw.organization.clone().unwrap_or_default(),
            tenants: raw.tenants.clone(),
            file: raw.file.as_ref().map(PathBuf::from),
            rules: PeopleRules {
                by_email: raw.rules.email,
                domains: raw.rules.domains.iter().map(|(from, to)| (lower(from), lower(to))).collect(),
                ignore_tags: raw.rules.ignore_tags,
            },
        }
    }
}

fn rule_of(field: &MappedField) -> Rule {
    Rule {
        pointers: field.pointers.iter().filter_map(|pointer| parse_pointer(&pointer.0)).collect(),
        constant: field.constant.clone(),
        words: field.words.iter().map(|(written, word)| (written.trim().to_lowercase(), word.clone())).collect(),
        otherwise: field.otherwise.clone(),
        time_format: field.time_format.clone(),
    }
}
