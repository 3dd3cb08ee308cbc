//! `docs/metrics.md` against the metrics that there are.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use farsign::metrics::{Metrics, document};

/// `UPDATE_GENERATED=1` rewrites it.
#[test]
fn the_document_is_what_the_code_says() {
    const PATH: &str = "docs/metrics.md";
    let expected = document(&Metrics::new());
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    if std::env::var("UPDATE_GENERATED").is_ok() {
        std::fs::write(PATH, &expected).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(found == expected, "`{PATH}` is stale: UPDATE_GENERATED=1 cargo test --test metrics");
}
