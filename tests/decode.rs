//! Decoding: every form and reject by example, and the decoder against a slow one written separately.

#[path = "decode/canonical.rs"]
mod canonical;
#[path = "decode/differential.rs"]
mod differential;
#[path = "decode/farsign_format.rs"]
mod farsign_format;
#[path = "decode/fixtures.rs"]
mod fixtures;
#[path = "decode/forms.rs"]
mod forms;
#[path = "decode/keycloak.rs"]
mod keycloak;
#[path = "decode/oracle.rs"]
mod oracle;
#[path = "decode/oracle_attempt.rs"]
mod oracle_attempt;
#[path = "decode/pingfederate.rs"]
mod pingfederate;
#[path = "decode/pingone.rs"]
mod pingone;
#[path = "decode/rejects.rs"]
mod rejects;
#[path = "decode/results.rs"]
mod results;
#[path = "decode/sshd.rs"]
mod sshd;
#[path = "decode/summary.rs"]
mod summary;
#[path = "decode/values.rs"]
mod values;
