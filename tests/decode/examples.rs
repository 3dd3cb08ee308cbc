//! The examples that users can try are read, whole, by the format they are of, named or not.

use farsign::engine::decode::Format;

use crate::summary::summary;

#[path = "../../benches/common/examples.rs"]
mod of_formats;

#[test]
fn every_example_is_read_alike_by_name_and_by_itself() {
    for (format, text) in of_formats::EXAMPLES {
        let seen = |format: Format| text.lines().flat_map(|line| summary(format, line)).collect::<Vec<String>>();
        let auto = seen(Format::Auto);
        assert_eq!(auto, seen(format), "{}", format.name());
        assert!(auto.iter().all(|line| line.starts_with("signIn") || line.starts_with("finding")), "{auto:#?}");
        if format == Format::GuardDuty {
            assert!(auto[0].starts_with("finding GuardDuty aws/111122223333"), "{auto:#?}");
            continue;
        }
        // An adapter of PingFederate has passed, and tells of no password; nor does a document without a reason; Duo is
        // asked behind one.
        let expected = match format {
            Format::PingFederate => [" Interrupted/Unknown/", " Failed/Unknown/"],
            Format::Ecs => [" Success/Right/", " Failed/Unknown/"],
            Format::Duo => [" Success/Right/Performed", " Blocked/Right/Denied"],
            _ => [" Success/Right/", " Failed/Wrong/"],
        };
        assert!(auto[0].contains(expected[0]) && auto[0].contains(" 203.0.113.20"), "{auto:#?}");
        assert!(auto[1].contains(expected[1]), "{auto:#?}");
        assert!(auto[1].contains(" 198.51.100.77"), "{auto:#?}");
    }
}

#[test]
fn every_format_has_an_example() {
    for format in Format::ALL {
        let has_one = of_formats::EXAMPLES.iter().any(|(known, _)| *known == format);
        assert_eq!(has_one, !matches!(format, Format::Auto | Format::Mapping), "{}", format.name());
    }
}
