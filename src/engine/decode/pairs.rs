//! `key=value` pairs of log lines → keys and values, in order: plain or in quotes, or as a CEF extension has them.

use std::borrow::Cow;

/// Pairs with something between them: `, ` or a space.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a> {
    rest: &'a str,
    separator: &'static str,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(text: &'a str, separator: &'static str) -> Pairs<'a> {
        Pairs { rest: text, separator }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.trim_start_matches([' ', ',']);
        let (key, after) = rest.split_once('=')?;
        // What is no pair before the key, such as a date, is passed over.
        let key = key.rsplit([' ', ',']).next().unwrap_or_default();
        let quote = after.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (value, rest) = match quote {
            Some(quote) => quoted(&after[1..], quote, self.separator),
            None => {
                let end = after.find(self.separator).unwrap_or(after.len());
                (Cow::Borrowed(&after[..end]), &after[end..])
            }
        };
        self.rest = rest;
        Some((key, value))
    }
}

/// The value up to the quote that ends it, and what follows. A quote inside is not escaped by all who write them: only
/// one before a separator or the end counts. Without one, the value is all that is left.
fn quoted<'a>(text: &'a str, quote: char, separator: &str) -> (Cow<'a, str>, &'a str) {
    let is_end = |at: &usize| {
        let after = &text[at + 1..];
        let is_escaped = text[..*at].ends_with('\\') && !text[..*at].ends_with("\\\\");
        !is_escaped && (after.is_empty() || after.starts_with(separator) || after.starts_with(','))
    };
    let end = text.match_indices(quote).map(|(at, _)| at).find(is_end);
    let (value, rest) = end.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    let value = if value.contains('\\') {
        Cow::Owned(value.replace("\\\"", "\"").replace("\\\\", "\\"))
    } else {
        Cow::Borrowed(value)
    };
    (value, rest)
}

/// The pairs of a CEF extension: a value holds spaces, and ends where the next key begins.
pub(super) fn extension_pairs(text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim_start();
        let end = next_key(after).unwrap_or(after.len());
        rest = &after[end..];
        let value = after[..end].trim();
        let value = if value.contains('\\') {
            Cow::Owned(value.replace("\\=", "=").replace("\\|", "|").replace("\\\\", "\\"))
        } else {
            Cow::Borrowed(value)
        };
        Some((key, value))
    })
}

/// Where the next key begins: behind a space, of letters and digits up to its `=`.
fn next_key(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(ahead) = text[from..].find('=') {
        let equals = from + ahead;
        let start = text[from..equals].rfind(' ').map_or(from, |space| from + space);
        let key = text[start..equals].trim_start();
        if text[start..].starts_with(' ')
            && !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return Some(start);
        }
        from = equals + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str, separator: &'static str) -> Vec<String> {
        Pairs::new(text, separator).map(|(key, value)| format!("{key}:{value}")).collect()
    }

    #[test]
    fn values_are_plain_or_in_quotes() {
        assert_eq!(pairs("a=1, b=null, c=x,y", ", "), ["a:1", "b:null", "c:x,y"]);
        assert_eq!(
            pairs("a='two words, and more', b='it's, so', c=", ", "),
            ["a:two words, and more", "b:it's, so", "c:"]
        );
        assert_eq!(pairs(r#"a="1", b="x \"y\", z", c="open"#, ", "), ["a:1", "b:x \"y\", z", "c:open"]);
        assert_eq!(
            pairs(r#"2024-01-01 00:00:00,1 a="" b="k=v, l=w"  c=https://d.example"#, " "),
            ["a:", "b:k=v, l=w", "c:https://d.example"]
        );
        assert_eq!(pairs("no pairs", ", "), Vec::<String>::new());
        assert_eq!(pairs("=é", ", "), [":é"]);
    }

    #[test]
    fn an_extension_has_spaces_in_values() {
        let found: Vec<String> = extension_pairs(r"rt=Jan 16 2026 09:16:30.609 duid= msg=a\=b c x=1")
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        assert_eq!(found, ["rt:Jan 16 2026 09:16:30.609", "duid:", "msg:a=b c", "x:1"]);
        assert_eq!(extension_pairs("nothing").count(), 0);
    }
}
