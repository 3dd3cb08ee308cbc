//! The product that a record of a common format is about, in whatever words → the provider.

use crate::engine::signin::Provider;

/// Words of one name, in lower case without spaces and the like; earlier ones go before later ones.
const NAMES: [(&str, Provider); 38] = [
    ("entra", Provider::Entra),
    ("azuread", Provider::Entra),
    ("azureactivedirectory", Provider::Entra),
    ("aadsignin", Provider::Entra),
    ("signinlogs", Provider::Entra),
    ("identityprotection", Provider::Entra),
    ("azureidentity", Provider::Entra),
    ("o365", Provider::Entra),
    ("office365", Provider::Entra),
    ("microsoft365", Provider::Entra),
    ("m365", Provider::Entra),
    ("okta", Provider::Okta),
    ("auth0", Provider::Auth0),
    ("cloudtrail", Provider::Aws),
    ("guardduty", Provider::Aws),
    ("iamidentitycenter", Provider::Aws),
    ("awssso", Provider::Aws),
    ("awssignin", Provider::Aws),
    ("googleworkspace", Provider::Google),
    ("gsuite", Provider::Google),
    ("googlecloudidentity", Provider::Google),
    ("keycloak", Provider::Keycloak),
    ("redhatsinglesignon", Provider::Keycloak),
    ("ciscoduo", Provider::Duo),
    ("duosecurity", Provider::Duo),
    ("duoadmin", Provider::Duo),
    ("duoauthentication", Provider::Duo),
    ("onelogin", Provider::OneLogin),
    ("pingone", Provider::Ping),
    ("pingfederate", Provider::Ping),
    ("pingidentity", Provider::Ping),
    ("jumpcloud", Provider::JumpCloud),
    ("openssh", Provider::Sshd),
    ("sshd", Provider::Sshd),
    ("amazonwebservices", Provider::Aws),
    ("azuresignin", Provider::Entra),
    ("aadidentity", Provider::Entra),
    ("aadnoninteractive", Provider::Entra),
];
/// Names so short that they are only read alone.
const WHOLE_NAMES: [(&str, Provider); 6] = [
    ("azure", Provider::Entra),
    ("aad", Provider::Entra),
    ("aws", Provider::Aws),
    ("duo", Provider::Duo),
    ("google", Provider::Google),
    ("ping", Provider::Ping),
];
/// Longer names are no product's.
const NAME_LENGTH_MAX: usize = 128;

/// The first provider that one of the names is of; `None` where none is of any.
pub(super) fn provider_named<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Provider> {
    names.into_iter().find_map(provider_of)
}

fn provider_of(name: &str) -> Option<Provider> {
    let name = &name[..name.floor_char_boundary(NAME_LENGTH_MAX)];
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let whole = WHOLE_NAMES.iter().find(|(known, _)| *known == name);
    let found = whole.or_else(|| NAMES.iter().find(|(known, _)| name.contains(known)));
    found.map(|(_, provider)| *provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_known_by_their_names() {
        let named = [
            ("Microsoft Entra ID", Some(Provider::Entra)),
            ("azure.signinlogs", Some(Provider::Entra)),
            ("Okta System Log", Some(Provider::Okta)),
            ("CloudTrail", Some(Provider::Aws)),
            ("AWS", Some(Provider::Aws)),
            ("google_workspace.login", Some(Provider::Google)),
            ("cisco_duo.auth", Some(Provider::Duo)),
            ("ping_one.audit", Some(Provider::Ping)),
            ("Jaws of steel", None),
            ("system.auth", None),
            ("", None),
        ];
        for (name, expected) in named {
            assert_eq!(provider_named([name]), expected, "{name}");
        }
    }
}
