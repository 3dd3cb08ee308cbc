//! Decoding: every form and reject by example, and the decoder against a slow one written separately.

#[path = "decode/auth0.rs"]
mod auth0;
#[path = "decode/canonical.rs"]
mod canonical;
#[path = "decode/cloudtrail.rs"]
mod cloudtrail;
#[path = "decode/differential.rs"]
mod differential;
#[path = "decode/duo.rs"]
mod duo;
#[path = "decode/ecs.rs"]
mod ecs;
#[path = "decode/ecs_copies.rs"]
mod ecs_copies;
#[path = "decode/entra_portal.rs"]
mod entra_portal;
#[path = "decode/entra_risk.rs"]
mod entra_risk;
#[path = "decode/envelopes.rs"]
mod envelopes;
#[path = "decode/examples.rs"]
mod examples;
#[path = "decode/farsign_format.rs"]
mod farsign_format;
#[path = "decode/fixtures.rs"]
mod fixtures;
#[path = "decode/forms.rs"]
mod forms;
#[path = "decode/google.rs"]
mod google;
#[path = "decode/guardduty.rs"]
mod guardduty;
#[path = "decode/jumpcloud.rs"]
mod jumpcloud;
#[path = "decode/keycloak.rs"]
mod keycloak;
#[path = "decode/m365.rs"]
mod m365;
#[path = "decode/mapping.rs"]
mod mapping;
#[path = "decode/ocsf.rs"]
mod ocsf;
#[path = "decode/okta.rs"]
mod okta;
#[path = "decode/onelogin.rs"]
mod onelogin;
#[path = "decode/oracle.rs"]
mod oracle;
#[path = "decode/oracle_attempt.rs"]
mod oracle_attempt;
#[path = "decode/oracle_risk.rs"]
mod oracle_risk;
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
