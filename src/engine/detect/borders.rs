//! Which countries share a border: land borders, and the short sea crossings people commute over.
//!
//! Facts of geography, as published in any atlas. Each pair is written once.

use crate::engine::facts::CountryCode;

/// Pairs, each row one country with those after it in the alphabet or in earlier rows.
const BORDERS: &[(&str, &str)] = &[
    ("AD", "ES FR"),
    ("AE", "OM SA QA BH"),
    ("AF", "CN IR PK TJ TM UZ"),
    ("AL", "GR ME MK XK"),
    ("AM", "AZ GE IR TR"),
    ("AO", "CD CG NA ZM"),
    ("AR", "BO BR CL PY UY"),
    ("AT", "CH CZ DE HU IT LI SI SK"),
    ("AZ", "GE IR RU TR"),
    ("BA", "HR ME RS"),
    ("BD", "IN MM"),
    ("BE", "DE FR LU NL"),
    ("BF", "BJ CI GH ML NE TG"),
    ("BG", "GR MK RO RS TR"),
    ("BH", "SA QA"),
    ("BI", "CD RW TZ"),
    ("BJ", "NE NG TG"),
    ("BN", "MY"),
    ("BO", "BR CL PE PY"),
    ("BR", "CO GF GY PE PY SR UY VE"),
    ("BT", "CN IN"),
    ("BW", "NA ZA ZM ZW"),
    ("BY", "LT LV PL RU UA"),
    ("BZ", "GT MX"),
    ("CA", "US"),
    ("CD", "CF CG RW SS TZ UG ZM"),
    ("CF", "CG CM SD SS TD"),
    ("CG", "CM GA"),
    ("CH", "DE FR IT LI"),
    ("CI", "GH GN LR ML"),
    ("CL", "PE"),
    ("CM", "GA GQ NG TD"),
    ("CN", "HK IN KG KP KZ LA MM MN MO NP PK RU TJ VN"),
    ("CO", "EC PA PE VE"),
    ("CR", "NI PA"),
    ("CZ", "DE PL SK"),
    ("DE", "DK FR LU NL PL"),
    ("DJ", "ER ET SO"),
    ("DK", "SE"),
    ("DO", "HT"),
    ("DZ", "EH LY MA ML MR NE TN"),
    ("EC", "PE"),
    ("EE", "FI LV RU"),
    ("EG", "IL LY PS SD"),
    ("EH", "MA MR"),
    ("ER", "ET SD"),
    ("ES", "FR GI MA PT"),
    ("ET", "KE SD SO SS"),
    ("FI", "NO RU SE"),
    ("FR", "GB IT LU MC"),
    ("GA", "GQ"),
    ("GB", "IE IM JE GG"),
    ("GE", "RU TR"),
    ("GF", "SR"),
    ("GH", "TG"),
    ("GM", "SN"),
    ("GN", "GW LR ML SL SN"),
    ("GR", "MK TR"),
    ("GT", "HN MX SV"),
    ("GW", "SN"),
    ("GY", "SR VE"),
    ("HK", "MO"),
    ("HN", "NI SV"),
    ("HR", "HU ME RS SI"),
    ("HU", "RO RS SI SK UA"),
    ("ID", "MY PG SG TL"),
    ("IL", "JO LB PS SY"),
    ("IN", "MM NP PK LK"),
    ("IQ", "IR JO KW SA SY TR"),
    ("IR", "PK TM TR"),
    ("IT", "MC MT SI SM VA"),
    ("JO", "PS SA SY"),
    ("KE", "SO SS TZ UG"),
    ("KG", "KZ TJ UZ"),
    ("KH", "LA TH VN"),
    ("KP", "KR RU"),
    ("KW", "SA"),
    ("KZ", "RU TM UZ"),
    ("LA", "MM TH VN"),
    ("LB", "SY"),
    ("LR", "SL"),
    ("LS", "ZA"),
    ("LT", "LV PL RU"),
    ("LV", "RU"),
    ("LY", "NE SD TD TN"),
    ("MD", "RO UA"),
    ("ME", "RS XK"),
    ("MK", "RS XK"),
    ("ML", "MR NE SN"),
    ("MM", "TH"),
    ("MN", "RU"),
    ("MR", "SN"),
    ("MW", "MZ TZ ZM"),
    ("MX", "US"),
    ("MY", "SG TH"),
    ("MZ", "SZ TZ ZA ZM ZW"),
    ("NA", "ZA ZM"),
    ("NE", "NG TD"),
    ("NG", "TD"),
    ("NO", "RU SE"),
    ("OM", "SA YE"),
    ("PL", "RU SK UA"),
    ("QA", "SA"),
    ("RO", "RS UA"),
    ("RS", "XK"),
    ("RU", "UA"),
    ("RW", "TZ UG"),
    ("SA", "YE"),
    ("SD", "SS TD"),
    ("SK", "UA"),
    ("SS", "UG"),
    ("SY", "TR"),
    ("SZ", "ZA"),
    ("TJ", "UZ"),
    ("TM", "UZ"),
    ("TZ", "UG ZM"),
    ("ZA", "ZW"),
    ("ZM", "ZW"),
];

/// True when the two are neighbours; a country is not its own neighbour.
pub fn share_border(one: CountryCode, other: CountryCode) -> bool {
    let lists = |from: &str, to: &str| {
        BORDERS.iter().any(|(country, neighbours)| *country == from && neighbours.split(' ').any(|n| n == to))
    };
    lists(one.as_str(), other.as_str()) || lists(other.as_str(), one.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_both_ways() {
        let check = |one: &str, other: &str, expected: bool| {
            let (a, b) = (CountryCode::parse(one).unwrap(), CountryCode::parse(other).unwrap());
            assert_eq!((share_border(a, b), share_border(b, a)), (expected, expected), "{one}-{other}");
        };
        check("NO", "SE", true);
        check("US", "CA", true);
        check("GB", "IE", true);
        check("NO", "DE", false);
        check("FR", "FR", false);
        check("JP", "KR", false);
    }

    #[test]
    fn the_table_is_well_formed() {
        for (country, neighbours) in BORDERS {
            for neighbour in neighbours.split(' ') {
                assert!(CountryCode::parse(neighbour).is_some() && neighbour != *country, "{country} {neighbour}");
            }
        }
        assert!(BORDERS.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, each country once");
    }
}
