//! Steady-state decoding of an Event Hub record allocates nothing. A test binary of its own: it counts with its own
//! allocator.

use farsign::engine::decode::{Decoded, Format, decode};

#[path = "decode/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;

fn allocations(format: Format, record: &[u8]) -> u64 {
    let mut sign_ins = 0;
    let counted = allocation_counter::measure(|| {
        decode(format, record, &mut |decoded| {
            sign_ins += u32::from(matches!(decoded, Ok(Decoded::SignIn(_))));
        });
    });
    assert_eq!(sign_ins, 1);
    counted.count_total
}

#[test]
fn common_forms_allocate_nothing() {
    // Tables that are made at first use.
    decode(Format::Auto, br#"{"uuid":"1"}"#, &mut |_| {});
    let azure = fixtures::azure("SignInLogs", fixtures::properties());
    let graph = fixtures::properties();
    let envelope = serde_json::json!({"records": [azure]});
    let row = fixtures::row("SigninLogs", &fixtures::properties(), false);
    for record in [azure, graph, row, envelope] {
        let text = record.to_string();
        for format in [Format::Auto, Format::Entra] {
            assert_eq!(allocations(format, text.as_bytes()), 0, "{text}");
        }
    }
    let ours = br#"{"type":"signIn","id":"1","time":"2026-03-02T08:00:00Z","userId":"u","outcome":"success"}"#;
    assert_eq!(allocations(Format::Auto, ours), 0);
    // The counter counts: text with an escape must be copied.
    let escaped =
        br#"{"type":"signIn","id":"1","time":"2026-03-02T08:00:00Z","userId":"a\"b","outcome":"success"}"#;
    assert!(allocations(Format::Auto, escaped) > 0);
}
