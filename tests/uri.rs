//! `otpauth` URIs: which are ordinary, what they say, and how they are written. What pyotp makes of each is compared from
//! Python.

use std::borrow::Cow;

use ferrotp::uri::{Moving, OtpAuth};
use ferrotp::{Algorithm, Error};

const SECRET: &str = "GEZDGNBVGY3TQOJQ";

/// A TOTP URI with some parameters after the secret.
fn with(parameters: &str) -> String {
    format!("otpauth://totp/alice?secret={SECRET}{parameters}")
}

#[track_caller]
fn refused(uri: &str) {
    assert_eq!(OtpAuth::parse(uri), Err(Error::InvalidUri), "{uri}");
}

#[test]
fn what_a_uri_leaves_out_has_its_default_and_what_it_says_is_read() {
    let plain = OtpAuth {
        secret: SECRET.into(),
        issuer: None,
        account: "alice".into(),
        algorithm: Algorithm::Sha1,
        digits: 6,
        moving: Moving::Period(30),
    };
    assert_eq!(OtpAuth::parse(&with("")), Ok(plain.clone()));
    // A value that is not there counts as a parameter that is not there.
    for name in ["issuer", "algorithm", "digits", "period", "counter", "encoder", "image", ""] {
        assert_eq!(OtpAuth::parse(&with(&format!("&{name}="))), Ok(plain.clone()), "{name}");
    }
    assert_eq!(OtpAuth::parse(&with("&image=x&colour=%zz")), Ok(plain.clone()));
    for (parameters, expected) in [
        ("&digits=6", plain.clone()),
        ("&digits=7", OtpAuth { digits: 7, ..plain.clone() }),
        ("&digits=8", OtpAuth { digits: 8, ..plain.clone() }),
        ("&algorithm=SHA1", plain.clone()),
        ("&algorithm=SHA256", OtpAuth { algorithm: Algorithm::Sha256, ..plain.clone() }),
        ("&algorithm=SHA512", OtpAuth { algorithm: Algorithm::Sha512, ..plain.clone() }),
        ("&period=1", OtpAuth { moving: Moving::Period(1), ..plain.clone() }),
        (
            "&period=000000000000000060", // eighteen digits
            OtpAuth { moving: Moving::Period(60), ..plain.clone() },
        ),
        ("&issuer=ACME", OtpAuth { issuer: Some("ACME".into()), ..plain.clone() }),
        ("&issuer=A+%26%2B+B", OtpAuth { issuer: Some("A &+ B".into()), ..plain.clone() }),
        ("&issuer=%E6%BC%A2%e6%bc%a2", OtpAuth { issuer: Some("漢漢".into()), ..plain.clone() }),
    ] {
        assert_eq!(OtpAuth::parse(&with(parameters)), Ok(expected), "{parameters}");
    }
    let hotp = |counter| Ok(OtpAuth { moving: Moving::Counter(counter), ..plain.clone() });
    assert_eq!(OtpAuth::parse(&with("").replace("totp", "hotp")), hotp(0));
    assert_eq!(OtpAuth::parse(&with("&counter=0").replace("totp", "hotp")), hotp(0));
    assert_eq!(OtpAuth::parse(&with("&counter=17").replace("totp", "hotp")), hotp(17));
}

#[test]
fn the_label_is_an_issuer_and_an_account_with_a_plain_colon_between() {
    let names = |label: &str| {
        let uri = format!("otpauth://totp{label}?secret={SECRET}");
        let read = OtpAuth::parse(&uri).ok()?;
        Some((read.issuer.map(Cow::into_owned), read.account.into_owned()))
    };
    let expected =
        |issuer: Option<&str>, account: &str| Some((issuer.map(str::to_owned), account.to_owned()));
    assert_eq!(names(""), expected(None, ""));
    assert_eq!(names("/"), expected(None, ""));
    assert_eq!(names("/alice"), expected(None, "alice"));
    assert_eq!(names("/ACME:alice"), expected(Some("ACME"), "alice"));
    assert_eq!(names("/A%3AB:a%3Ab"), expected(Some("A:B"), "a:b"));
    assert_eq!(names("/A%20B:a+b"), expected(Some("A B"), "a+b")); // a plus is a space in a query alone
    assert_eq!(names("/a:b:c"), expected(Some("a"), "b:c"));
    assert_eq!(names("x"), None);
    assert_eq!(names("/a#b"), None);
    // The two places of the issuer say the same, or the URI is not ordinary.
    let both = |parameter: &str| {
        OtpAuth::parse(&format!("otpauth://totp/ACME:a?secret=AA&issuer={parameter}")).is_ok()
    };
    assert!(both("ACME") && both("%41CME") && both(""));
    assert!(!both("acme") && !both("ACME+"));
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    for name in ["secret", "issuer", "algorithm", "digits", "period", "encoder"] {
        let value = match name {
            "secret" => SECRET,
            "issuer" => "ACME",
            "algorithm" => "SHA1",
            "digits" => "6",
            "period" => "30",
            _ => "",
        };
        // Twice is refused, with a value or without, and whichever comes first.
        let twice = |first: &str, second: &str| with(&format!("&{name}={first}&{name}={second}"));
        for (first, second) in [(value, value), (value, ""), ("", value), ("", "")] {
            refused(&twice(first, second));
        }
    }
    refused(&with("&counter=1&counter=1").replace("totp", "hotp"));
    refused(&with("&counter=&counter=1").replace("totp", "hotp"));
    for parameters in [
        "&digits=5",
        "&digits=9",
        "&digits=+6",
        "&digits=6 ",
        "&digits=six",
        "&digits=-6",
        "&period=0",
        "&period=+30",
        "&period=3.5",
        "&period=0000000000000000030",
        "&period=99999999999999999999",
        "&counter=1",
        "&algorithm=sha1",
        "&algorithm=MD5",
        "&encoder=steam",
        "&issuer=%4",
        "&issuer=%zz",
        "&issuer=%FF",
        "&digits",
        "&%64igits=7",
        "&digits=%36",
        "#x",
        "&issuer=a b",
        "&issuer=\u{e4}",
        "&",
        "&&digits=7",
    ] {
        refused(&with(parameters));
    }
    for uri in [
        "",
        "otpauth",
        "otpauth://",
        "otpauth://totp",
        "otpauth://totp/alice",
        "otpauth://totp/alice?",
        "otpauth://totp/alice?secret=",
        "otpauth://totp/alice?issuer=a",
        "otpauth://steam/alice?secret=AA",
        "OTPAUTH://totp/alice?secret=AA",
        "otpauth://TOTP/alice?secret=AA",
        "otpauth://totp:alice?secret=AA",
        "otpauth://hotp/alice?secret=AA&period=30",
        "otpauth://totp/al ice?secret=AA",
        "otpauth://totp/%?secret=AA",
        " otpauth://totp/alice?secret=AA",
        "otpauth://totp/alice?secret=AA\n",
        "otpauth://totp/a\0?secret=AA",
    ] {
        refused(uri);
    }
}

#[test]
fn a_uri_without_percent_signs_is_read_without_a_copy() {
    let uri = "otpauth://totp/ACME:alice?secret=AA&issuer=ACME";
    let read = OtpAuth::parse(uri).unwrap();
    assert!(matches!(
        (&read.secret, &read.issuer, &read.account),
        (Cow::Borrowed("AA"), Some(Cow::Borrowed("ACME")), Cow::Borrowed("alice"))
    ));
    assert_eq!(
        format!("{read:?}"),
        "OtpAuth { secret: \"[redacted]\", issuer: Some(\"ACME\"), account: \"alice\", algorithm: Sha1, digits: 6, \
         moving: Period(30) }"
    );
}

#[test]
fn a_written_uri_has_what_is_not_the_default_and_every_counter() {
    let uri = |issuer: Option<&'static str>, algorithm, digits, moving| {
        OtpAuth {
            secret: "AA".into(),
            issuer: issuer.map(Cow::Borrowed),
            account: "a b/ä:".into(),
            algorithm,
            digits,
            moving,
        }
        .to_uri()
    };
    let account = "a%20b/%C3%A4%3A";
    assert_eq!(
        uri(None, Algorithm::Sha1, 6, Moving::Period(30)),
        format!("otpauth://totp/{account}?secret=AA")
    );
    assert_eq!(
        uri(Some("A/B~-._ "), Algorithm::Sha512, 8, Moving::Period(60)),
        format!(
            "otpauth://totp/A/B~-._%20:{account}?secret=AA&issuer=A%2FB~-._%20&algorithm=SHA512&digits=8&period=60"
        )
    );
    assert_eq!(
        uri(None, Algorithm::Sha256, 7, Moving::Counter(0)),
        format!("otpauth://hotp/{account}?secret=AA&counter=0&algorithm=SHA256&digits=7")
    );
    assert_eq!(
        uri(None, Algorithm::Sha1, 6, Moving::Counter(30)),
        format!("otpauth://hotp/{account}?secret=AA&counter=30")
    );
}
