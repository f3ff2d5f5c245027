//! PSKC, for damaged documents. Good ones and their secrets are in `tests/transfer`.

use ferrotp::transfer::TransferErrorKind;
use ferrotp::transfer::pskc::{self, Credential};
use proptest::prelude::*;

const FIGURE_6: &str = include_str!("transfer/corpus/pskc/good/rfc6030_figure6.xml");
const KEY: [u8; 16] =
    [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12];

#[test]
fn figure_6_of_rfc_6030_opens_with_its_key_and_with_no_other() {
    let keys = pskc::read(FIGURE_6, Some(Credential::Key(&KEY))).unwrap();
    assert_eq!(keys[0].as_ref().unwrap().secret.as_bytes(), b"12345678901234567890");
    assert!(!format!("{keys:?}").contains("49, 50, 51"));
    for place in 0..KEY.len() * 8 {
        let mut key = KEY;
        key[place / 8] ^= 1 << (place % 8);
        let fault = match pskc::read(FIGURE_6, Some(Credential::Key(&key))) {
            Ok(keys) => keys[0].as_ref().unwrap_err().clone(),
            Err(fault) => fault,
        };
        assert_eq!(fault.kind, TransferErrorKind::WrongKey);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_damaged_document_is_read_or_refused(place: prop::sample::Index, with: char, cut: bool) {
        let mut text: Vec<char> = FIGURE_6.chars().collect();
        let place = place.index(text.len());
        text[place] = with;
        if cut {
            text.truncate(place + 1);
        }
        let text: String = text.into_iter().collect();
        // A secret that comes out is the right one, or its MAC did not fit.
        if let Ok(keys) = pskc::read(&text, Some(Credential::Key(&KEY))) {
            for key in keys.into_iter().flatten() {
                prop_assert_eq!(key.secret.as_bytes(), b"12345678901234567890");
            }
        }
    }
}

/// A document of one key, with `inside` in the key's data.
fn document(inside: &str) -> String {
    format!(
        r#"<KeyContainer Version="1.0" xmlns="{NAMESPACE}"><KeyPackage><Key Id="1" Algorithm="{NAMESPACE}:totp">
        <Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>{inside}</Data>
        </Key></KeyPackage></KeyContainer>"#
    )
}

const NAMESPACE: &str = "urn:ietf:params:xml:ns:keyprov:pskc";

fn limit(text: &str) -> Option<&'static str> {
    match pskc::read(text, None) {
        Ok(keys) => {
            assert_eq!(keys[0].as_ref().unwrap().secret.as_bytes(), b"12345678901234567890");
            None
        }
        Err(fault) => {
            assert_eq!(fault.kind, TransferErrorKind::Limit, "{fault}");
            Some(fault.message)
        }
    }
}

#[test]
fn a_document_whose_namespaces_would_take_the_parser_long_is_refused_unparsed() {
    // 80 KB: 250 namespaces on each of ten levels, and elements that declare one more. It took 17 seconds.
    let levels: String = (0..10)
        .map(|level| {
            let declared: String = (0..250).map(|n| format!(" xmlns:a{level}n{n}='b'")).collect();
            format!("<a{declared}>")
        })
        .collect();
    let nested = levels + &"<a xmlns:q='b'/>".repeat(2_500) + &"</a>".repeat(10);
    assert_eq!(limit(&document(&nested)), Some("too many namespaces are declared"));

    // In scope are those of an element and of what it stands in; 64 may be.
    let declared = |count: usize| (1..count).map(|n| format!(" xmlns:n{n} = 'u{n}'")).collect::<String>();
    assert_eq!(limit(&document(&format!("<a{}/>", declared(64)))), None);
    assert_eq!(limit(&document(&format!("<a{}/>", declared(65)))), Some("too many namespaces are declared"));
    assert_eq!(limit(&document(&format!("<a{}/>", declared(64)).repeat(3))), None);
    let half = format!("<a{}><b xmlns:m='u'/></a>", declared(64));
    assert_eq!(limit(&document(&half)), Some("too many namespaces are declared"));
    // A name in a value, and one that only looks like it, cost no more than they should.
    assert_eq!(limit(&document(&format!("<a b=\"{}\"/>", " xmlns:n='u'".repeat(100)))), None);
}

#[test]
fn what_the_parser_compares_is_bounded_for_the_document_as_a_whole() {
    let message = Some("the document has too many attributes and namespaces");
    // 200 attributes are compared with each other: 20,000 pairs, and as much again for each order.
    let tag = format!("<a{}/>", (0..200).map(|n| format!(" a{n}=''")).collect::<String>());
    assert_eq!(limit(&document(&tag.repeat(1_000))), None);
    assert_eq!(limit(&document(&tag.repeat(4_000))), message);
    // 60 namespaces in scope, and elements that declare one more.
    let declared: String = (0..60).map(|n| format!(" xmlns:n{n}='u{n}'")).collect();
    let tags = |count: usize| format!("<a{declared}>{}</a>", "<a xmlns:q='u'/>".repeat(count));
    assert_eq!(limit(&document(&tags(10_000))), None);
    assert_eq!(limit(&document(&tags(60_000))), message);
    // An honest document of a thousand keys that each declare their own is far below it.
    let key = document("")
        .split_once("<KeyPackage>")
        .unwrap()
        .1
        .split_once("</KeyContainer>")
        .unwrap()
        .0
        .to_owned();
    let key = format!("<KeyPackage xmlns:x='http://www.w3.org/2001/04/xmlenc#' xmlns:y='u'>{key}");
    let many =
        format!("<KeyContainer Version='1.0' xmlns='{NAMESPACE}'>{}</KeyContainer>", key.repeat(1_000));
    assert_eq!(pskc::read(&many, None).unwrap().iter().filter(|key| key.is_ok()).count(), 1_000);
}

#[test]
fn depth_attributes_and_size_have_their_limits() {
    let nested = |depth: usize| document(&("<a>".repeat(depth) + &"</a>".repeat(depth)));
    assert_eq!(limit(&nested(60)), None);
    assert_eq!(limit(&nested(61)), Some("the document is nested too deep"));
    let attributes = |count: usize| {
        document(&format!("<a{}/>", (0..count).map(|n| format!(" a{n}=\"'>\"")).collect::<String>()))
    };
    assert_eq!(limit(&attributes(256)), None);
    assert_eq!(limit(&attributes(257)), Some("an element has too many attributes"));
    let long = document(&format!("<!--{}-->", "<a ".repeat(pskc::MAX_DOCUMENT / 3)));
    assert_eq!(limit(&long), Some("the document is too large"));
    // Comments, texts and instructions have no tags in them.
    let skipped = ["<!--<a>-->", "<![CDATA[<a>]]>", "<?a <a>?>"].map(|text| text.repeat(100)).concat();
    assert_eq!(limit(&document(&skipped)), None);
}

#[test]
fn elements_of_another_namespace_are_extensions_unless_they_have_a_name_of_ours() {
    let period = |inside: &str| {
        let document = document(inside).replace("<Data>", "<Data xmlns:o='urn:example:other'>");
        pskc::read(&document, None).map(|keys| keys[0].clone().map(|key| key.moving))
    };
    assert_eq!(period("<o:Battery>low</o:Battery>").unwrap(), Ok(pskc::Moving::Totp(30)));
    assert_eq!(
        period("<TimeInterval><PlainValue>60</PlainValue></TimeInterval>").unwrap(),
        Ok(pskc::Moving::Totp(60))
    );
    let fault =
        period("<o:TimeInterval><o:PlainValue>60</o:PlainValue></o:TimeInterval>").unwrap().unwrap_err();
    assert_eq!(fault.kind, TransferErrorKind::Malformed);
    assert_eq!(fault.place, "KeyContainer/KeyPackage[1]/Key/Data/TimeInterval");
}
