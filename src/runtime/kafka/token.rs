//! A file with a JSON Web Token → what OAUTHBEARER needs: the token, whose it is, and until when it holds.
//!
//! Whoever issues the token keeps the file fresh. The signature is the brokers' business; here only the claims `sub`
//! and `exp` are read, because librdkafka asks for them. No error repeats the token.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::client::OAuthToken;
use serde::Deserialize;

/// A longer file is no token.
const FILE_LENGTH_MAX: u64 = 64 << 10;

#[derive(Deserialize)]
struct Claims {
    /// The principal.
    sub: String,
    /// Seconds since 1970; some issuers write fractions.
    exp: f64,
}

/// Errors say what is wrong with the file.
pub(super) fn read(path: &Path) -> Result<OAuthToken, String> {
    let error = |what: String| format!("token file `{}`: {what}", path.display());
    let length = std::fs::metadata(path).map_err(|cause| error(cause.to_string()))?.len();
    if length > FILE_LENGTH_MAX {
        return Err(error(format!("{length} bytes; at most {FILE_LENGTH_MAX} are read")));
    }
    let text = std::fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
    parse(text.trim()).map_err(|what| error(what.to_owned()))
}

fn parse(token: &str) -> Result<OAuthToken, &'static str> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("is no JSON Web Token of three parts");
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| "the claims are not base64url")?;
    let claims: Claims =
        serde_json::from_slice(&claims).map_err(|_| "the claims lack `sub` as text or `exp` as a number")?;
    Ok(OAuthToken {
        token: token.to_owned(),
        principal_name: claims.sub,
        lifetime_ms: (claims.exp * 1_000.0) as i64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("{}.{}.sig", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn claims_are_read() {
        let text = token(r#"{"sub":"farsign","exp":1700000000.5,"aud":"kafka"}"#);
        let read = parse(&text).unwrap();
        assert_eq!((read.principal_name.as_str(), read.lifetime_ms), ("farsign", 1_700_000_000_500));
        assert_eq!(read.token, text);
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        let check = |text: &str, expected: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let error = read(file.path()).err().unwrap();
            assert!(error.contains(expected) && error.contains("token file"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        };
        check("", "three parts");
        check("only.two", "three parts");
        check("a.b.c.d", "three parts");
        check("a.***.c", "base64url");
        check(&token(r#"{"sub":"x"}"#), "`exp`");
        check(&token(r#"{"exp":1}"#), "`sub`");
        check(&token(r#"{"sub":1,"exp":1}"#), "`sub`");
        check(&"x".repeat(FILE_LENGTH_MAX as usize + 1), "at most");
        assert!(read(Path::new("/absent/token")).is_err());
    }
}
