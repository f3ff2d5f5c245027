//! `otpauth://` URIs: what a QR code carries to an authenticator app.
//!
//! The format is Google Authenticator's [Key Uri Format]. Written here as pyotp writes it; read here only where it is
//! ordinary, so that two readers cannot disagree about it: anything else is an error.
//!
//! [Key Uri Format]: https://github.com/google/google-authenticator/wiki/Key-Uri-Format

use std::borrow::Cow;

use crate::{Algorithm, Error};

/// What moves between one code and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// TOTP: seconds in a time step; 30 where a URI says nothing.
    Period(u64),
    /// HOTP: the counter to begin with; 0 where a URI says nothing.
    Counter(u64),
}

/// The fields of a URI. `Debug` leaves the secret out.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpAuth<'a> {
    /// Base32, as written in the URI.
    pub secret: Cow<'a, str>,
    /// Who asks for the code.
    pub issuer: Option<Cow<'a, str>>,
    /// Whose code it is.
    pub account: Cow<'a, str>,
    /// SHA-1 where a URI says nothing.
    pub algorithm: Algorithm,
    /// 6 where a URI says nothing.
    pub digits: u8,
    /// The kind of the code, and its parameter.
    pub moving: Moving,
}

impl OtpAuth<'_> {
    /// Writes the URI. Parameters that have their default value are left out, but for an HOTP counter.
    pub fn to_uri(&self) -> String {
        String::from_utf8(self.to_ascii()).unwrap_or_default()
    }

    /// The URI's characters.
    pub(crate) fn to_ascii(&self) -> Vec<u8> {
        let mut uri = Vec::with_capacity(192);
        uri.extend_from_slice(match self.moving {
            Moving::Period(_) => b"otpauth://totp/",
            Moving::Counter(_) => b"otpauth://hotp/",
        });
        if let Some(issuer) = &self.issuer {
            quote(&mut uri, issuer, IN_LABEL);
            uri.push(b':');
        }
        quote(&mut uri, &self.account, IN_LABEL);
        uri.extend_from_slice(b"?secret=");
        quote(&mut uri, &self.secret, IN_VALUE);
        if let Some(issuer) = &self.issuer {
            uri.extend_from_slice(b"&issuer=");
            quote(&mut uri, issuer, IN_VALUE);
        }
        if let Moving::Counter(counter) = self.moving {
            push_number(&mut uri, "&counter=", counter);
        }
        if self.algorithm != Algorithm::Sha1 {
            uri.extend_from_slice(b"&algorithm=");
            uri.extend_from_slice(self.algorithm.uri_name().as_bytes());
        }
        if self.digits != 6 {
            push_number(&mut uri, "&digits=", self.digits.into());
        }
        match self.moving {
            Moving::Period(30) | Moving::Counter(_) => {}
            Moving::Period(period) => push_number(&mut uri, "&period=", period),
        }
        uri
    }
}

impl<'a> OtpAuth<'a> {
    /// Reads an ordinary URI: ASCII, each parameter once, numbers in plain digits, 6 to 8 digits, no fragment, no
    /// `encoder`. Unknown parameters are skipped; so are known ones without a value.
    ///
    /// # Errors
    /// [`Error::InvalidUri`] for any other text.
    pub fn parse(uri: &'a str) -> Result<Self, Error> {
        read(uri).ok_or(Error::InvalidUri)
    }
}

impl core::fmt::Debug for OtpAuth<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OtpAuth")
            .field("secret", &"[redacted]")
            .field("issuer", &self.issuer)
            .field("account", &self.account)
            .field("algorithm", &self.algorithm)
            .field("digits", &self.digits)
            .field("moving", &self.moving)
            .finish()
    }
}

fn read(uri: &str) -> Option<OtpAuth<'_>> {
    let rest = uri.strip_prefix("otpauth://")?;
    let (is_totp, rest) = match rest.split_at_checked(4)? {
        ("totp", rest) => (true, rest),
        ("hotp", rest) => (false, rest),
        _ => return None,
    };

    // The label's separator is a plain colon; %3A is a colon inside the issuer or the account.
    let (mut issuer, mut account) = (None, Cow::Borrowed(""));
    let mut rest = match rest.split_at_checked(1)? {
        ("?", query) => query,
        ("/", label) => {
            let mut part = Part::read(label, COLON | QUESTION)?;
            if part.end == COLON {
                issuer = Some(part.text(false)?);
                part = Part::read(part.rest, QUESTION)?;
            }
            account = part.text(false)?;
            if part.end != QUESTION {
                return None;
            }
            part.rest
        }
        _ => return None,
    };

    let mut seen = 0u8;
    let mut secret = None;
    let mut algorithm = Algorithm::Sha1;
    let mut digits = 6;
    let (mut period, mut counter) = (None, None);
    loop {
        let name = Part::read(rest, EQUALS | AMPERSAND)?;
        if name.end != EQUALS || name.quoted != 0 {
            return None;
        }
        let value = Part::read(name.rest, AMPERSAND)?;
        // In pyotp a known parameter stands once; an empty value counts as none.
        let mut known = |bit: u8| {
            let first = seen & bit == 0;
            seen |= bit;
            first.then_some(!value.raw.is_empty())
        };
        match name.raw {
            "secret" if known(1)? => secret = Some(value.text(true)?),
            "issuer" if known(2)? => {
                let value = value.text(true)?;
                if issuer.as_ref().is_some_and(|in_label| *in_label != value) {
                    return None;
                }
                issuer = Some(value);
            }
            "algorithm" if known(4)? => {
                algorithm = *Algorithm::ALL.iter().find(|known| known.uri_name() == value.raw)?;
            }
            "digits" if known(8)? => {
                digits = number(value.raw).filter(|digits| (6..=8).contains(digits))? as u8
            }
            "period" if known(16)? => period = Some(number(value.raw).filter(|period| *period != 0)?),
            "counter" if known(32)? => counter = Some(number(value.raw)?),
            "encoder" if known(64)? => return None,
            _ => {}
        }
        if value.end != AMPERSAND {
            break;
        }
        rest = value.rest;
    }
    let moving = match (is_totp, period, counter) {
        (true, period, None) => Moving::Period(period.unwrap_or(30)),
        (false, None, counter) => Moving::Counter(counter.unwrap_or(0)),
        _ => return None,
    };
    Some(OtpAuth { secret: secret?, issuer, account, algorithm, digits, moving })
}

/// One entry for each byte, made by the compiler.
macro_rules! table {
    ($byte:ident => $entry:expr) => {{
        let mut table = [0u8; 256];
        let mut rest: &mut [u8] = &mut table;
        let mut $byte = 0u8;
        while let Some((slot, after)) = rest.split_first_mut() {
            *slot = $entry;
            rest = after;
            $byte = $byte.wrapping_add(1);
        }
        table
    }};
}

/// What a character can be in a URI, a bit each. Zero: nothing but itself.
const COLON: u8 = 1;
const QUESTION: u8 = 2;
const EQUALS: u8 = 4;
const AMPERSAND: u8 = 8;
const PERCENT: u8 = 16;
const PLUS: u8 = 32;
/// A fragment's mark, or what an ordinary URI does not have: not ASCII, a control character, a space.
const REFUSED: u8 = 64;

static CLASSES: [u8; 256] = table!(byte => match byte {
    b':' => COLON,
    b'?' => QUESTION,
    b'=' => EQUALS,
    b'&' => AMPERSAND,
    b'%' => PERCENT,
    b'+' => PLUS,
    b'#' => REFUSED,
    b'!'..=b'~' => 0,
    _ => REFUSED,
});

/// What `urllib.parse.quote` leaves as it is, a bit each: in a label, in a parameter's value.
const IN_LABEL: u8 = 1;
const IN_VALUE: u8 = 2;

static PLAIN: [u8; 256] = table!(byte => match byte {
    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => IN_LABEL | IN_VALUE,
    b'/' => IN_LABEL,
    _ => 0,
});

/// Text up to a mark that ends it.
struct Part<'a> {
    raw: &'a str,
    /// Which of [`PERCENT`] and [`PLUS`] are in it.
    quoted: u8,
    /// The mark, or 0 at the end of the URI.
    end: u8,
    rest: &'a str,
}

impl<'a> Part<'a> {
    /// Reads up to one of the `ends`.
    #[inline]
    fn read(text: &'a str, ends: u8) -> Option<Self> {
        let mut quoted = 0;
        for (place, byte) in text.bytes().enumerate() {
            let class = CLASSES.get(usize::from(byte)).copied().unwrap_or(REFUSED);
            if class & (ends | REFUSED) != 0 {
                let (raw, rest) = text.split_at_checked(place)?;
                let rest = rest.get(1..)?;
                return (class != REFUSED).then_some(Self { raw, quoted, end: class, rest });
            }
            quoted |= class & (PERCENT | PLUS);
        }
        Some(Self { raw: text, quoted, end: 0, rest: "" })
    }

    /// The text without percent-encoding and, in a query, with a space for `+`. A stray `%`, or what does not come
    /// out as UTF-8, is refused.
    #[inline]
    fn text(&self, in_query: bool) -> Option<Cow<'a, str>> {
        if self.quoted & (PERCENT | if in_query { PLUS } else { 0 }) == 0 {
            return Some(Cow::Borrowed(self.raw));
        }
        let mut plain = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw.as_bytes();
        let is_mark = |byte: &u8| *byte == b'%' || (in_query && *byte == b'+');
        while let Some(place) = rest.iter().position(is_mark) {
            let (run, marked) = rest.split_at_checked(place)?;
            plain.extend_from_slice(run);
            (_, rest) = marked.split_first()?;
            if marked.first() == Some(&b'+') {
                plain.push(b' ');
                continue;
            }
            let (&[high, low], after) = rest.split_first_chunk()?;
            rest = after;
            let value = (char::from(high).to_digit(16)? << 4) | char::from(low).to_digit(16)?;
            plain.push(value as u8);
        }
        plain.extend_from_slice(rest);
        String::from_utf8(plain).ok().map(Cow::Owned)
    }
}

/// A number of 1 to 18 plain digits.
fn number(text: &str) -> Option<u64> {
    let plain = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn push_number(uri: &mut Vec<u8>, name: &str, number: u64) {
    uri.extend_from_slice(name.as_bytes());
    uri.extend_from_slice(number.to_string().as_bytes());
}

/// Percent-encodes all but what `plain` names.
fn quote(uri: &mut Vec<u8>, text: &str, plain: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let is_plain = |byte: &u8| PLAIN.get(usize::from(*byte)).is_some_and(|kinds| kinds & plain != 0);
    let mut rest = text.as_bytes();
    loop {
        let run = rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        let Some((run, after)) = rest.split_at_checked(run) else { return };
        uri.extend_from_slice(run);
        let Some((byte, after)) = after.split_first() else { return };
        let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or_default();
        uri.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
        rest = after;
    }
}
