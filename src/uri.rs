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
        let mut uri = String::with_capacity(192);
        uri.push_str(match self.moving {
            Moving::Period(_) => "otpauth://totp/",
            Moving::Counter(_) => "otpauth://hotp/",
        });
        if let Some(issuer) = &self.issuer {
            quote(&mut uri, issuer, b'/');
            uri.push(':');
        }
        quote(&mut uri, &self.account, b'/');
        uri.push_str("?secret=");
        quote(&mut uri, &self.secret, b'_');
        if let Some(issuer) = &self.issuer {
            uri.push_str("&issuer=");
            quote(&mut uri, issuer, b'_');
        }
        if let Moving::Counter(counter) = self.moving {
            push_number(&mut uri, "&counter=", counter);
        }
        if self.algorithm != Algorithm::Sha1 {
            uri.push_str("&algorithm=");
            uri.push_str(self.algorithm.uri_name());
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
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return None;
    }
    let (location, query) = uri.strip_prefix("otpauth://")?.split_once('?')?;
    let (kind, label) = location.split_once('/').unwrap_or((location, ""));
    let is_totp = match kind {
        "totp" => true,
        "hotp" => false,
        _ => return None,
    };
    // The label's separator is a plain colon; %3A is a colon inside the issuer or the account.
    let (mut issuer, account) = match label.split_once(':') {
        Some((issuer, account)) => (Some(unquote(issuer, false)?), unquote(account, false)?),
        None => (None, unquote(label, false)?),
    };

    const KNOWN: [&str; 7] = ["secret", "issuer", "algorithm", "encoder", "digits", "period", "counter"];
    let mut seen = [false; KNOWN.len()];
    let mut secret = None;
    let mut algorithm = Algorithm::Sha1;
    let mut digits = 6;
    let (mut period, mut counter) = (None, None);
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=')?;
        if name.contains(['%', '+']) {
            return None;
        }
        for (known, seen) in KNOWN.iter().zip(&mut seen) {
            if *known == name && core::mem::replace(seen, true) {
                return None;
            }
        }
        if value.is_empty() {
            continue;
        }
        match name {
            "secret" => secret = Some(unquote(value, true)?),
            "issuer" => {
                let value = unquote(value, true)?;
                if issuer.as_ref().is_some_and(|in_label| *in_label != value) {
                    return None;
                }
                issuer = Some(value);
            }
            "algorithm" => algorithm = *Algorithm::ALL.iter().find(|known| known.uri_name() == value)?,
            "digits" => digits = number(value).filter(|digits| (6..=8).contains(digits))? as u8,
            "period" => period = Some(number(value).filter(|period| *period != 0)?),
            "counter" => counter = Some(number(value)?),
            "encoder" => return None,
            _ => {}
        }
    }
    let moving = match (is_totp, period, counter) {
        (true, period, None) => Moving::Period(period.unwrap_or(30)),
        (false, None, counter) => Moving::Counter(counter.unwrap_or(0)),
        _ => return None,
    };
    Some(OtpAuth { secret: secret?, issuer, account, algorithm, digits, moving })
}

/// A number of 1 to 18 plain digits.
fn number(text: &str) -> Option<u64> {
    let plain = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn push_number(uri: &mut String, name: &str, number: u64) {
    use core::fmt::Write;
    uri.push_str(name);
    // Writing to a String does not fail.
    let _ = write!(uri, "{number}");
}

/// Percent-encodes as Python's `urllib.parse.quote` does: all but letters, digits, `_.-~` and, in a label, `/`.
fn quote(uri: &mut String, text: &str, safe: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'_' | b'.' | b'-' | b'~') | (byte == safe);
    // Without leaving early: the compiler then looks at sixteen characters at a time.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return uri.push_str(text);
    }
    for byte in text.bytes() {
        if is_plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri.push('%');
            for half in [byte >> 4, byte & 0xf] {
                uri.push(char::from(HEX.get(usize::from(half)).copied().unwrap_or_default()));
            }
        }
    }
}

/// Undoes percent-encoding, and in a query `+` for a space. A stray `%` or what is not UTF-8 is refused.
fn unquote(text: &str, in_query: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || (in_query && byte == b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (&[high, low], after) = rest.split_first_chunk()?;
                rest = after;
                let value = char::from(high).to_digit(16)? << 4 | char::from(low).to_digit(16)?;
                plain.push(value as u8);
            }
            b'+' if in_query => plain.push(b' '),
            _ => plain.push(byte),
        }
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}
