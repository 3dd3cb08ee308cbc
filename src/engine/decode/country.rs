//! Names of countries → ISO 3166-1 alpha-2: some providers write names where others write codes.
//!
//! The names are the standard's (`rust_iso3166`), and what providers write instead of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Names in use that are not the standard's, in lower case.
const OTHER_NAMES: [(&str, &str); 42] = [
    ("bolivia", "BO"),
    ("britain", "GB"),
    ("brunei", "BN"),
    ("burma", "MM"),
    ("cape verde", "CV"),
    ("congo-brazzaville", "CG"),
    ("congo-kinshasa", "CD"),
    ("cote d'ivoire", "CI"),
    ("czech republic", "CZ"),
    ("democratic republic of the congo", "CD"),
    ("east timor", "TL"),
    ("great britain", "GB"),
    ("holland", "NL"),
    ("hong kong sar", "HK"),
    ("iran", "IR"),
    ("ivory coast", "CI"),
    ("korea", "KR"),
    ("korea, republic of", "KR"),
    ("kosovo", "XK"),
    ("laos", "LA"),
    ("macau", "MO"),
    ("macedonia", "MK"),
    ("micronesia", "FM"),
    ("moldova", "MD"),
    ("netherlands", "NL"),
    ("north korea", "KP"),
    ("palestine", "PS"),
    ("republic of korea", "KR"),
    ("russia", "RU"),
    ("south korea", "KR"),
    ("swaziland", "SZ"),
    ("syria", "SY"),
    ("taiwan", "TW"),
    ("tanzania", "TZ"),
    ("the netherlands", "NL"),
    ("turkey", "TR"),
    ("uk", "GB"),
    ("united kingdom", "GB"),
    ("united states", "US"),
    ("usa", "US"),
    ("venezuela", "VE"),
    ("vietnam", "VN"),
];

static NAMES: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let standard = rust_iso3166::ALL.iter().flat_map(|country| {
        let full = country.name.to_lowercase();
        // "Iran (Islamic Republic of)" is also known by less.
        let short = full.split(" (").next().unwrap_or_default().to_owned();
        [(full, country.alpha2), (short, country.alpha2), (country.alpha3.to_lowercase(), country.alpha2)]
    });
    standard.chain(OTHER_NAMES.map(|(name, code)| (name.to_owned(), code))).collect()
});

/// The code of a country written as a code of two or three letters or as an English name; empty where it is none.
/// Allocates only for a name, to compare it.
pub(super) fn code_of(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.len() {
        2 if &*text != "UK" && text.bytes().all(|byte| byte.is_ascii_uppercase()) => text,
        2 if text.bytes().all(|byte| byte.is_ascii_alphabetic()) && !text.eq_ignore_ascii_case("uk") => {
            Cow::Owned(text.to_ascii_uppercase())
        }
        _ => Cow::Borrowed(NAMES.get(&text.to_lowercase()).copied().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names() {
        let code = |text: &'static str| code_of(Cow::Borrowed(text)).into_owned();
        let found =
            ["DE", "de", "DEU", "Germany", "United States", "Viet Nam", "vietnam", "Korea, Republic of", "UK"]
                .map(code);
        assert_eq!(found, ["DE", "DE", "DE", "DE", "US", "VN", "VN", "KR", "GB"]);
        assert_eq!(["Atlantis", "D1", "", "D"].map(code), ["", "", "", ""]);
    }
}
