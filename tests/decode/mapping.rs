//! Records of any JSON by rules of the configuration: each kind of rule, and what becomes of what fits none.

use std::collections::BTreeMap;

use farsign::config;
use farsign::engine::decode::{Decoded, Decoder, Format};
use serde_json::{Value, json};

const RULES: &str = "
mappings:
  - name: Acme Gate
    conditions:
      - {pointer: /product, equals: [gate, '7']}
      - {pointer: /who}
    fields:
      time: {pointers: [/at, /fallback], time_format: '%d/%b/%Y:%H:%M:%S %z'}
      id: {pointers: [/n]}
      tenant_id: {constant: acme}
      user_id: {pointers: [/who/id, /who/name]}
      user_principal_name: {pointers: [/who/mail]}
      ip_address: {pointers: ['/from/0/a~1b']}
      country: {pointers: [/land]}
      outcome:
        pointers: [/result]
        words: {'OK': success, '3': wrong-password, otp: mfa-denied, bye: not-a-sign-in}
        otherwise: failed
      risk_level: {pointers: [/risk], words: {hot: high}, otherwise: none}
      risk_reasons: {pointers: [/why]}
  - name: rest
    conditions: [{pointer: /login}]
    fields:
      user_id: {pointers: [/login]}
      outcome: {constant: success}
";

fn decoder(yaml: &str) -> Decoder {
    config::parse(yaml, &BTreeMap::new()).expect("valid").input.decoder
}

fn seen(decoder: &Decoder, record: &Value) -> Vec<String> {
    let mut seen = Vec::new();
    let received = farsign::engine::signin::EventTime::from_seconds(1_772_440_000);
    decoder.decode(record.to_string().as_bytes(), Some(received), &mut |decoded| {
        seen.push(match decoded {
            Ok(Decoded::SignIn(it)) => format!(
                "{}/{} {} {:?}/{:?}/{:?} {} {} {}",
                it.tenant_id,
                it.user_id,
                it.event_time,
                it.outcome,
                it.credential,
                it.mfa,
                it.address_text,
                it.location.country,
                it.user_principal_name
            ),
            Ok(Decoded::UpstreamFinding(it)) => format!("{} {} {}", it.source, it.level.name(), it.reasons),
            Ok(Decoded::Skipped(reason)) => reason.name().to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(reject) => format!("{}: {}", reject.reason.name(), reject.detail),
        });
    });
    seen
}

fn gate(result: Value) -> Value {
    json!({
        "product": "gate", "at": "02/Mar/2026:09:15:30 +0100", "n": 17, "who": {"name": "alice", "mail": "Alice@Fjord.example"},
        "from": [{"a/b": "203.0.113.20:443"}], "land": "Norway", "result": result,
    })
}

#[test]
fn pointers_constants_words_and_times() {
    let decoder = decoder(RULES);
    let alice = |ending: &str| {
        format!("acme/alice 2026-03-02T08:15:30.0000000Z {ending} 203.0.113.20:443 NO alice@fjord.example")
    };
    let cases = [
        (json!("ok"), alice("Success/Right/Unknown")),
        (json!(3), alice("Failed/Wrong/Unknown")),
        (json!("OTP"), alice("Blocked/Right/Denied")),
        (json!("odd"), alice("Failed/Unknown/Unknown")),
        (json!(null), alice("Failed/Unknown/Unknown")),
        (json!("bye"), "notASignIn".to_owned()),
    ];
    for (result, expected) in cases {
        assert_eq!(seen(&decoder, &gate(result.clone())), [expected], "{result}");
    }
    let mut risky = gate(json!("ok"));
    risky["risk"] = json!("HOT");
    risky["why"] = json!("new land");
    assert_eq!(seen(&decoder, &risky), [alice("Success/Right/Unknown"), "Acme Gate high new land".to_owned()]);
    risky["result"] = json!(3);
    assert_eq!(seen(&decoder, &risky), [alice("Failed/Wrong/Unknown")], "a wrong password is nobody's risk");
}

#[test]
fn the_first_mapping_that_fits_counts_and_then_known_formats() {
    let auto = decoder(RULES);
    assert_eq!(
        seen(&auto, &json!({"login": "bob"})),
        ["other/bob 2026-03-02T08:26:40.0000000Z Success/Right/Unknown   "]
    );
    let mut seventh = gate(json!("ok"));
    seventh["product"] = json!(7);
    assert!(seen(&auto, &seventh)[0].starts_with("acme/alice"));
    let own = json!({"type": "signIn", "time": "2026-03-02T08:15:30Z", "userId": "u", "outcome": "success"});
    assert!(seen(&auto, &own)[0].starts_with("unknown/u"));
    assert_eq!(seen(&auto, &json!({"product": "gate"})), ["unknownFormat: no known form of an entra record"]);
    let only = decoder(&format!("input: {{format: mapping}}\n{RULES}"));
    assert_eq!(seen(&only, &json!({"product": "gate"})), ["unknownFormat: no mapping is for this record"]);
    assert_eq!(seen(&only, &json!({"schema": null, "payload": gate(json!("bye"))})), ["notASignIn"]);
    let mut timeless = gate(json!("ok"));
    timeless["at"] = json!("yesterday");
    assert_eq!(seen(&only, &timeless), ["noTime: the time is in no known form"]);
}

#[test]
fn wrong_rules_are_told_with_line_and_key() {
    let yaml = "
mappings:
  - name: a
    conditions: [{pointer: product}]
    fields:
      userid: {pointers: [/who]}
      outcome: {pointers: [/r], words: {ok: sucess}, otherwise: nothing}
      id: {time_format: '%Y'}
      time: {pointers: [/t], time_format: 'yyyy'}
  - name: a
identity: {file: people.csv}
";
    let problems = config::parse(yaml, &BTreeMap::new()).unwrap_err().to_string();
    for part in [
        "line 4: mappings.0.conditions.0.pointer: `product` is not allowed; allowed: a JSON pointer as /key/key",
        "line 6: mappings.0.fields.userid: unknown key; did you mean `user_id`?",
        "line 7: mappings.0.fields.outcome.words.ok: `sucess` is not allowed; allowed: `success`, ",
        "line 7: mappings.0.fields.outcome.otherwise: `nothing` is not allowed",
        "line 8: mappings.0.fields.id: needs `pointers` or a `constant`",
        "line 8: mappings.0.fields.id.time_format: is for `time` only",
        "line 9: mappings.0.fields.time.time_format: `yyyy` is not allowed",
        "line 10: mappings.1.name: `a` is taken",
        "mappings.1.fields: needs `user_id` or `user_principal_name`",
        "mappings.1.fields: needs `outcome`",
        "identity.organization: is needed",
        "input.keyed: `true` is not allowed; allowed: `false`",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
}

const PLAIN: &str = "
mappings:
  - name: door
    conditions: [{pointer: /door}]
    fields:
      time: {pointers: [/at]}
      user_id: {pointers: [/who]}
      outcome: {pointers: [/result], words: {none: success, unknown: wrong-password, n/a: not-a-sign-in}, otherwise: failed}
";

/// What means "absent" elsewhere may be a word of the product's.
#[test]
fn words_of_the_table_are_words() {
    let decoder = decoder(PLAIN);
    let door = |result: Value| json!({"door": 1, "at": "2026-03-02T08:15:30Z", "who": "alice", "result": result});
    let at = "2026-03-02T08:15:30.0000000Z";
    for (result, expected) in [
        (json!("None"), format!("other/alice {at} Success/Right/Unknown   ")),
        (json!("unknown"), format!("other/alice {at} Failed/Wrong/Unknown   ")),
        (json!("n/a"), "notASignIn".to_owned()),
        (json!("-"), format!("other/alice {at} Failed/Unknown/Unknown   ")),
    ] {
        assert_eq!(seen(&decoder, &door(result)), [expected]);
    }
}

/// The format that is named opens what the format that is found opens.
#[test]
fn mapped_records_come_in_envelopes() {
    let mut decoder = decoder(PLAIN);
    let door = json!({"door": 1, "at": "2026-03-02T08:15:30Z", "who": "alice", "result": "none"});
    let document = json!({"@timestamp": "2026-03-02T08:15:31Z", "message": door.to_string()});
    for format in [Format::Auto, Format::Mapping] {
        decoder.format = format;
        let expected = seen(&decoder, &door);
        assert!(expected[0].starts_with("other/alice"), "{expected:?}");
        for envelope in [json!({"records": [door]}), json!({"value": [door]}), document.clone()] {
            assert_eq!(seen(&decoder, &envelope), expected, "{envelope}");
        }
    }
    // A mapping without conditions is for what its pointers find something in: envelopes are opened for it, too.
    let any = Decoder { format: Format::Mapping, ..self::decoder(&PLAIN.replace("[{pointer: /door}]", "[]")) };
    for envelope in [json!({"records": [door]}), json!({"value": [door]}), document] {
        assert_eq!(seen(&any, &envelope), seen(&decoder, &door), "{envelope}");
    }
    assert_eq!(seen(&any, &json!({"else": 1})), ["unknownFormat: no mapping is for this record"]);
    // A mapping that is for the envelope itself is asked first.
    let own = PLAIN.replace("{pointer: /door}", "{pointer: /records}").replace("[/who]", "[/records/0/who]");
    let decoder = Decoder { format: Format::Mapping, ..self::decoder(&own) };
    assert_eq!(seen(&decoder, &json!({"records": [door], "result": "none"})).len(), 1);
}
