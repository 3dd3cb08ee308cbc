//! Any bytes, by a mapping that has every kind of rule: no panic, and ids that keep their invariants.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use farsign::config;
use farsign::engine::decode::{Decoded, Decoder};
use farsign::engine::signin::ID_LENGTH_MAX;
use libfuzzer_sys::fuzz_target;

const RULES: &str = "
input: {format: mapping, unwrap: [/in/0]}
mappings:
  - name: any
    conditions: [{pointer: /a, equals: ['1', x]}]
    fields:
      time: {pointers: [/t, /u/0], time_format: '%d/%b/%Y:%H:%M:%S %z'}
      id: {pointers: [/i]}
      user_id: {pointers: [/w, /w/n]}
      ip_address: {pointers: [/p]}
      outcome: {pointers: [/r], words: {a: success, b: wrong-password}, otherwise: failed}
      risk_level: {pointers: [/k]}
  - name: rest
    fields: {user_principal_name: {pointers: [/m]}, time: {pointers: [/t]}, outcome: {constant: success}}
";

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    config::parse(RULES, &BTreeMap::new()).expect("valid rules").input.decoder
});

fuzz_target!(|record: &[u8]| {
    DECODER.decode(record, None, &mut |decoded| {
        if let Ok(Decoded::SignIn(it)) = decoded {
            for id in [&it.tenant_id, &it.event_id, &it.user_id] {
                assert!(!id.is_empty() && id.len() <= ID_LENGTH_MAX && !id.chars().any(char::is_control));
            }
        }
    });
});
