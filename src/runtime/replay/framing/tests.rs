//! Frames of every form of input, and that neither block sizes nor limits change or lose any.

use proptest::prelude::*;

use super::*;
use crate::runtime::replay::source::BlockReader;

/// What a frame comes to: its text, line and offset.
#[derive(Debug, PartialEq)]
enum Seen {
    Record(String, u64, u64),
    TooLarge(u64, u64, u64),
    Unclosed(u64, u64),
}

/// Frames `text` as the replay reads it, `block_length` bytes at a time.
fn frames_of(text: &[u8], block_length: usize) -> Vec<Seen> {
    let mut reader = BlockReader::new(text);
    let mut seen = Vec::new();
    while let Some(block) = reader.next(block_length) {
        for frame in block.frames {
            let (line, offset) = (frame.line, frame.offset);
            seen.push(match frame.kind {
                FrameKind::Record => {
                    let record = &block.bytes[frame.start..frame.end];
                    assert!(text[offset as usize..].starts_with(record), "offset {offset} is not the record's");
                    Seen::Record(String::from_utf8_lossy(record).into_owned(), line, offset)
                }
                FrameKind::TooLarge { length, head } => {
                    assert!(text[offset as usize..].starts_with(&head), "offset {offset} is not the head's");
                    Seen::TooLarge(length, line, offset)
                }
                FrameKind::Unclosed => Seen::Unclosed(line, offset),
            });
        }
    }
    seen
}

/// `expected` holds each record's text and line; all block sizes must agree on it.
fn check(text: &str, expected: &[(&str, u64)]) {
    for block_length in [1, 2, 3, 7, 64, 1 << 16] {
        let seen: Vec<(String, u64)> = frames_of(text.as_bytes(), block_length)
            .into_iter()
            .map(|frame| match frame {
                Seen::Record(record, line, _) => (record, line),
                Seen::TooLarge(_, line, _) => ("<too large>".into(), line),
                Seen::Unclosed(line, _) => ("<unclosed>".into(), line),
            })
            .collect();
        let seen: Vec<(&str, u64)> = seen.iter().map(|(record, line)| (record.as_str(), *line)).collect();
        assert_eq!(seen, expected, "`{text}` in blocks of {block_length}");
    }
}

#[test]
fn json_lines() {
    check("", &[]);
    check("\n\r\n \n", &[]);
    check("{\"a\":1}\n{\"a\":2}\n", &[("{\"a\":1}", 1), ("{\"a\":2}", 2)]);
    check("{\"a\":1}\r\n\r\n{\"a\":2}", &[("{\"a\":1}", 1), ("{\"a\":2}", 3)]);
    check("\u{feff}{\"a\":1}\n", &[("{\"a\":1}", 1)]);
    check("{\"a\":1},\n{\"a\":2},\n", &[("{\"a\":1}", 1), ("{\"a\":2}", 2)]);
    check("{}\n{\n\"a\":1\n}\n{\"b\":2}\n", &[("{}", 1), ("{\n\"a\":1\n}", 2), ("{\"b\":2}", 5)]);
}

#[test]
fn objects_one_after_another() {
    check("{\"a\":1}{\"a\":2} {\"a\":3}", &[("{\"a\":1}", 1), ("{\"a\":2}", 1), ("{\"a\":3}", 1)]);
    check("{\n \"a\": {}\n}\n{\n \"b\": \"}\"\n}\n", &[("{\n \"a\": {}\n}", 1), ("{\n \"b\": \"}\"\n}", 4)]);
}

#[test]
fn arrays_and_envelopes() {
    check("[]", &[]);
    check("[{\"a\":1},{\"a\":2}]", &[("{\"a\":1}", 1), ("{\"a\":2}", 1)]);
    check("[\n{\"a\":1},\n{\"a\":[2]}\n]\n{\"b\":3}\n", &[("{\"a\":1}", 2), ("{\"a\":[2]}", 3), ("{\"b\":3}", 5)]);
    check("{\"records\": [{\"a\":1},\n {\"a\":2}]}\n", &[("{\"a\":1}", 1), ("{\"a\":2}", 2)]);
    check("{\"value\":[]}\n{\"records\":[{\"a\":1}]}", &[("{\"a\":1}", 2)]);
    check(
        "{\"@odata.context\":\"x\", \"@odata.count\": 2, \"value\":[{\"a\":1}],\"@odata.nextLink\":\"]}\"}\n{\"b\":2}",
        &[("{\"a\":1}", 1), ("{\"b\":2}", 2)],
    );
    // Near misses: the key is something else, or holds no array, or comes behind another.
    for text in ["{\"values\":[1]}", "{\"value\":{\"a\":[1]}}", "{\"x\":1,\"records\":[{}]}", "{\"@odata\":\"x\"}"]
    {
        check(text, &[(text, 1)]);
    }
}

#[test]
fn what_is_no_record_goes_to_the_decoder_by_the_line() {
    check("oops\n{\"a\":1}\n", &[("oops", 1), ("{\"a\":1}", 2)]);
    check("[INFO] start\n{\"a\":1}\n", &[("[INFO] start", 1), ("{\"a\":1}", 2)]);
    check(
        "{\"a\":1}\n{\"a\":\n{\"a\":3}\n{\"a\":4}\n",
        &[("{\"a\":1}", 1), ("{\"a\":", 2), ("{\"a\":3}", 3), ("{\"a\":4}", 4)],
    );
    check("{\"a\":1}\n{\"a\":\"cut\n{\"a\":3}\n", &[("{\"a\":1}", 1), ("{\"a\":\"cut", 2), ("{\"a\":3}", 3)]);
    check("{\"a\":1}}\n{\"b\":2}\n", &[("{\"a\":1}", 1), ("}", 1), ("{\"b\":2}", 2)]);
    check("[{\"a\":1},\n{\"a\":\"cut\n,{\"a\":3}]", &[("{\"a\":1}", 1), ("{\"a\":\"cut", 2), ("{\"a\":3}", 3)]);
}

#[test]
fn a_line_of_text_is_one_record() {
    let lines = [
        "Feb 12 14:10:21 web1 sshd[77]: Accepted password for ada from 192.0.2.7 port 1 ssh2",
        "<134>1 2024-02-12T14:10:21Z web1 sshd 77 - [meta a=\"[{\"] Failed password for {} from 192.0.2.7",
        "2024-05-25 22:24:19,357 DEBUG [org.keycloak.events] (default task-1) type=LOGIN, realmId=a, scope=\"x y\"",
        "[2024-05-25 22:24:19,357] a line in brackets, with { and } and \"",
        "[main] INFO {\"half\": \"an object\"",
        "[] nothing in brackets",
        "[{request}] neither array nor object",
        "{request-1} no object",
        "{\"request\"} no object",
        "\"quoted\" {",
        "1707747021.123456 web1 sshd[7]: m",
        "null pointer",
        "true story",
        "-",
    ];
    for first in &lines {
        for second in &lines {
            check(&format!("{first}\n\n \r\n{second}\r\n"), &[(first, 1), (second, 4)]);
        }
        check(first, &[(first, 1)]);
        check(&format!("{first}\n{{\"a\":[1]}}\n{first}\n"), &[(first, 1), ("{\"a\":[1]}", 2), (first, 3)]);
        check(&format!("{{\"a\":1}}\n{first}\n{{\"a\":2}}\n"), &[("{\"a\":1}", 1), (first, 2), ("{\"a\":2}", 3)]);
    }
}

#[test]
fn an_array_that_is_empty_or_spread_out() {
    check("[]", &[]);
    check("[ ] \n{\"a\":1}\n", &[("{\"a\":1}", 2)]);
    check("[][{}]", &[("{}", 1)]);
    check("[\n {\n \"a\":1}\n]\n[ { } ]", &[("{\n \"a\":1}", 2), ("{ }", 5)]);
}

#[test]
fn a_cut_off_end_is_told_once() {
    check("{\"a\":1}\n{\"a\":", &[("{\"a\":1}", 1), ("{\"a\":", 2)]);
    check("{\n\"a\":1,\n", &[("{\n\"a\":1,", 1)]);
    check("[{\"a\":1},{\"a\":", &[("{\"a\":1}", 1), ("{\"a\":", 1)]);
    check("[{\"a\":1},\n", &[("{\"a\":1}", 1), ("<unclosed>", 2)]);
    check("{\"records\":[{\"a\":1}]", &[("{\"a\":1}", 1), ("<unclosed>", 1)]);
}

/// Broken values inside one another, found out late: the work must not grow with their number.
#[test]
fn broken_values_are_followed_a_few_times_only() {
    let opened = "{\"a\":\n".repeat(20_000);
    let texts = [
        format!("{opened}]"),
        // Records fill lines, and the fault shows at the end of the input.
        format!("{{}}\n{opened}"),
        format!("[{opened}]"),
        format!("{}}}", "{\"a\":[\n".repeat(10_000)),
    ];
    for text in &texts {
        let mut framer = Framer::default();
        let mut frames = Vec::new();
        assert_eq!(framer.frame(text.as_bytes(), true, &mut frames), text.len());
        assert!(frames.len() >= 10_000, "a reject for every line");
        let most = u64::from(LOOK_AHEADS_MAX + 3) * text.len() as u64;
        assert!(framer.followed <= most, "{} bytes followed of {}", framer.followed, text.len());
        assert_eq!(frames_of(text.as_bytes(), 1 << 20), frames_of(text.as_bytes(), 1_000));
    }
}

#[test]
fn records_are_found_among_broken_values() {
    let opened = "{\"a\":\n".repeat(30);
    // Behind the limit of look-aheads, what fills its line is found; what does not, once the break is passed.
    let text = format!("{opened}{{\"b\":1}}\n]\n{{\n\"c\":2\n}}\n");
    let mut expected: Vec<(&str, u64)> = (1..=30).map(|line| ("{\"a\":", line)).collect();
    expected.extend([("{\"b\":1}", 31), ("]", 32), ("{\n\"c\":2\n}", 33)]);
    check(&text, &expected);
    // A record that was cut off does not take the next one along, on however many lines that lies.
    check(
        "{\n\"a\":\n{\n\"b\":1\n}\n{\n\"c\":2\n}\n",
        &[("{", 1), ("\"a\":", 2), ("{\n\"b\":1\n}", 3), ("{\n\"c\":2\n}", 6)],
    );
}

/// A record longer than the limit in every form, followed by one that must be found again.
#[test]
fn too_large_is_passed_over_in_bounded_memory() {
    let filler = "x".repeat(RECORD_LENGTH_MAX);
    let forms = [
        (format!("{{\"a\":\"{filler}\"}}\n{{\"b\":1}}\n"), filler.len() + 8, 2),
        (format!("{{\"z\":0}}\n{{\"a\":\"{filler}\"}}\n{{\"b\":1}}\n"), filler.len() + 8, 3),
        (format!("[{{\"a\":\"{filler}\"}},{{\"b\":1}}]"), filler.len() + 8, 1),
        (format!("{filler}y\n{{\"b\":1}}\n"), filler.len() + 1, 2),
        (format!("{{\"a\":\"{filler}\n{{\"b\":1}}\n"), filler.len() + 6, 2),
    ];
    for (text, length, line) in &forms {
        for block_length in [4_096, 100_000, 1 << 23] {
            let seen = frames_of(text.as_bytes(), block_length);
            let large: Vec<_> = seen.iter().filter(|frame| matches!(frame, Seen::TooLarge(..))).collect();
            assert_eq!(large.len(), 1, "{} …", &text[..20]);
            assert!(matches!(large[0], Seen::TooLarge(found, ..) if *found as usize == *length), "{:?}", large[0]);
            let Some(Seen::Record(record, found_line, _)) = seen.last() else { panic!("no record behind it") };
            assert_eq!((record.as_str(), found_line), ("{\"b\":1}", line));
        }
    }
    let fits = format!("{{\"a\":\"{}\"}}\n", "x".repeat(RECORD_LENGTH_MAX - 8));
    assert!(matches!(frames_of(fits.as_bytes(), 4_096)[..], [Seen::Record(..)]), "exactly the limit is a record");
}

#[test]
fn a_large_envelope_is_read_a_block_at_a_time() {
    let element = format!("{{\"a\":\"{}\"}},", "x".repeat(1_000));
    let text = format!("{{\"records\":[{}{{}}]}}", element.repeat(20_000));
    let mut reader = BlockReader::new(text.as_bytes());
    let mut records = 0;
    while let Some(block) = reader.next(1 << 16) {
        assert!(block.bytes.len() <= 2 << 16, "a block holds one read and the tail of the one before");
        records += block.frames.len();
    }
    assert_eq!(records, 20_001);
}

/// Pieces that files are made of, good and bad.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{\"a\":1}",
        "{\"a\":\"}{\\\"\"}",
        "{\n \"a\": [1, {\"b\": null}]\n}",
        "{\"records\":[{\"a\":1},{\"a\":2}]}",
        "{\"@odata.context\":\"c\",\"value\":[{\"a\":1}]}",
        "[{\"a\":1},2]",
        "{\"a\":",
        "{\"a\":\"cut",
        "garbage",
        "}",
        "]",
        "[",
        "\"",
        "\n",
        "\r\n",
        " ",
        ",",
        "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_block_size_gives_the_same_frames(text in pieces(), block_length in 1_usize..30) {
        prop_assert_eq!(frames_of(text.as_bytes(), block_length), frames_of(text.as_bytes(), 1 << 20));
    }

    /// Many pieces that open something, so that look-aheads run out.
    #[test]
    fn any_block_size_gives_the_same_frames_when_much_is_broken(
        texts in prop::collection::vec(pieces(), 1..4),
        opened in 1_usize..40,
        block_length in 1_usize..60,
    ) {
        let text = texts.join(&"{\"a\":\n".repeat(opened));
        prop_assert_eq!(frames_of(text.as_bytes(), block_length), frames_of(text.as_bytes(), 1 << 20));
    }

    #[test]
    fn any_bytes_give_the_same_frames(bytes in prop::collection::vec(any::<u8>(), 0..200), block_length in 1_usize..30) {
        prop_assert_eq!(frames_of(&bytes, block_length), frames_of(&bytes, 1 << 20));
    }

    /// Every byte that is not white space, a comma or a container's is in some frame.
    #[test]
    fn lines_lose_nothing(lines in prop::collection::vec("[a-z{}\":]{1,12}", 0..20)) {
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let framed: String = frames_of(text.as_bytes(), 16)
            .into_iter()
            .map(|frame| match frame {
                Seen::Record(record, ..) => record,
                other => panic!("{other:?}"),
            })
            .collect();
        let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(visible(&framed), visible(&text));
    }
}
