//! PSKC (RFC 6030): what a vendor of hardware tokens ships their secrets in.
//!
//! Read: HOTP and TOTP keys, in plain or under AES-CBC with a pre-shared key or a password (PBKDF2), whose MAC must be
//! there and must fit. Not verified: a digital signature over the file. The XML parser knows no entities but its own
//! five, and a document with a DTD is refused.
//!
//! An element counts where its namespace is the right one too. One of the right name and another namespace is an error,
//! and so is one that stands twice: two readers of the document could take different ones.

use aes::cipher::block_padding::Iso10126;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use base64ct::{Base64Unpadded, Encoding};
use roxmltree::{Document, Node, ParsingOptions};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{TransferError, TransferErrorKind as Kind};
use crate::{Algorithm, HmacKey, Secret};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
/// The longest document that is read, in bytes.
pub const MAX_DOCUMENT: usize = 16 << 20;
/// How many keys a document may hold.
pub const MAX_KEYS: usize = 100_000;
const MAX_NODES: u32 = 4_000_000;
const MAX_DEPTH: usize = 64;
const MAX_ATTRIBUTES: usize = 256;
/// How many namespaces may be in scope at an element. RFC 6030's own documents have four.
const MAX_NAMESPACES: usize = 64;
/// How many comparisons the parser may make for attributes and namespaces. An honest document of [`MAX_KEYS`] keys stays
/// under a tenth of it, and 2^27 take less than a second.
const MAX_COMPARISONS: usize = 1 << 27;
const MAX_ITERATIONS: u32 = 10_000_000;

/// What opens an encrypted document.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A pre-shared AES key of 16, 24 or 32 bytes (RFC 6030, section 6.1).
    Key(&'a [u8]),
    /// A password (RFC 6030, section 6.2).
    Password(&'a [u8]),
}

/// The kind of the code, and its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// Seconds in a time step; 30 where the document says nothing.
    Totp(u64),
    /// The counter to begin with; 0 where the document says nothing.
    Hotp(u64),
}

/// A key. `Debug` leaves the secret out.
#[derive(Clone, Debug)]
pub struct Key {
    /// The secret.
    pub secret: Secret,
    /// The key's identifier.
    pub id: String,
    /// The device's serial number.
    pub serial: Option<String>,
    /// Who made the device.
    pub manufacturer: Option<String>,
    /// Who issued the key.
    pub issuer: Option<String>,
    /// Whose key it is.
    pub user: Option<String>,
    /// HMAC's hash; SHA-1 where the document says nothing.
    pub algorithm: Algorithm,
    /// 6 where the document says nothing.
    pub digits: u8,
    /// The kind of the code.
    pub moving: Moving,
}

/// An element's name: its namespace is one of `spaces`.
#[derive(Clone, Copy)]
struct Name {
    spaces: &'static [Option<&'static str>],
    local: &'static str,
}

/// An element of PSKC itself.
const fn pskc(local: &'static str) -> Name {
    Name { spaces: &[Some(NAMESPACE)], local }
}

/// An element of XML Encryption.
const fn xenc(local: &'static str) -> Name {
    Name { spaces: &[Some("http://www.w3.org/2001/04/xmlenc#")], local }
}

const ENCRYPTION_1_1: Option<&str> = Some("http://www.w3.org/2009/xmlenc11#");

/// An element of XML Encryption 1.1.
const fn xenc11(local: &'static str) -> Name {
    Name { spaces: &[ENCRYPTION_1_1], local }
}

/// An element of PBKDF2's parameters: of PKCS #5, whose children have no namespace (RFC 6030, figure 7), or of XML
/// Encryption 1.1, which took them over.
const fn pbkdf2(local: &'static str) -> Name {
    const PKCS_5: Option<&str> = Some("http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#");
    Name { spaces: &[PKCS_5, ENCRYPTION_1_1, None], local }
}

/// Reads a document: each key, or what is wrong with it. Keys that are another key's PIN are left out.
///
/// # Errors
/// With a [`TransferError`] where the document as a whole is no PSKC, too large, or does not open with the credential. A
/// fault of one key stands in that key's place.
pub fn read(
    xml: &str,
    credential: Option<Credential<'_>>,
) -> Result<Vec<Result<Key, TransferError>>, TransferError> {
    guard(xml)?;
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml, options).map_err(|error| {
        let kind = match error {
            roxmltree::Error::DtdDetected => {
                return TransferError::new(Kind::Unsupported, "a DTD is refused", "");
            }
            roxmltree::Error::NodesLimitReached => Kind::Limit,
            _ => Kind::Malformed,
        };
        let message =
            if kind == Kind::Limit { "the document has too many nodes" } else { "not well-formed XML" };
        TransferError::new(kind, message, format!("line {}", error.pos().row))
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "KeyContainer" {
        return Err(TransferError::new(Kind::Malformed, "not a PSKC document", "the root"));
    }
    if root.tag_name().namespace() != Some(NAMESPACE) || root.attribute("Version") != Some("1.0") {
        return Err(TransferError::new(
            Kind::Unsupported,
            "PSKC of another version than 1.0",
            "KeyContainer",
        ));
    }
    let pins: Vec<&str> = root
        .descendants()
        .filter(|node| is(*node, pskc("PINPolicy")))
        .filter_map(|node| node.attribute("PINKeyId"))
        .take(MAX_KEYS)
        .collect();
    let pins: std::collections::HashSet<&str> = pins.into_iter().collect();
    let cipher = Cipher::open(root, credential)?;
    let mut keys = Vec::new();
    for (place, package) in children(root, pskc("KeyPackage")).enumerate() {
        let package = package?;
        if place >= MAX_KEYS {
            return Err(TransferError::new(Kind::Limit, "the document has too many keys", "KeyContainer"));
        }
        let path = format!("KeyContainer/KeyPackage[{}]", place.saturating_add(1));
        let node = match child(package, pskc("Key")) {
            Ok(Some(node)) => node,
            Ok(None) => {
                keys.push(Err(TransferError::new(Kind::Malformed, "the package has no key", path)));
                continue;
            }
            Err(fault) => {
                keys.push(Err(TransferError { place: format!("{path}/{}", fault.place), ..fault }));
                continue;
            }
        };
        let id = node.attribute("Id").unwrap_or_default();
        if algorithm_name(node) == "pin" && pins.contains(id) {
            continue;
        }
        keys.push(key(package, node, &cipher).map_err(|fault| TransferError {
            place: if fault.place.is_empty() { path } else { format!("{path}/{}", fault.place) },
            account: label(package, node),
            ..fault
        }));
    }
    // Drafts of the format call the package otherwise: their keys must not be passed over.
    if keys.is_empty() && children(root, pskc("KeyPackage")).next().is_none() {
        return Err(TransferError::new(Kind::Malformed, "the document has no key", "KeyContainer"));
    }
    Ok(keys)
}

/// Refuses what the parser would take too long for: its time grows with the square of a tag's attributes, and with the
/// square of the namespaces in scope wherever one is declared.
fn guard(xml: &str) -> Result<(), TransferError> {
    let limit = |message| Err(TransferError::new(Kind::Limit, message, ""));
    if xml.len() > MAX_DOCUMENT {
        return limit("the document is too large");
    }
    let mut rest = xml;
    let mut open: Vec<usize> = Vec::new(); // how many namespaces each open element declares
    let (mut in_scope, mut comparisons) = (0usize, 0usize);
    while let Some((_, tag)) = rest.split_once('<') {
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")]
            .into_iter()
            .find_map(|(begin, end)| Some((tag.strip_prefix(begin)?, end)));
        if let Some((inside, end)) = skipped {
            let Some((_, after)) = inside.split_once(end) else { return Ok(()) };
            rest = after;
            continue;
        }
        rest = tag;
        if tag.starts_with('/') {
            in_scope = in_scope.saturating_sub(open.pop().unwrap_or(0));
            continue;
        }
        let Tag { attributes, namespaces, closes } = Tag::read(tag);
        if attributes > MAX_ATTRIBUTES {
            return limit("an element has too many attributes");
        }
        in_scope = in_scope.saturating_add(namespaces);
        if in_scope > MAX_NAMESPACES {
            return limit("too many namespaces are declared");
        }
        // Each attribute with those before it, each prefix with each namespace, and the namespaces among themselves.
        let prefixes = attributes.saturating_add(1).saturating_mul(in_scope);
        let declared = if namespaces == 0 { 0 } else { in_scope.saturating_mul(in_scope) };
        comparisons = comparisons
            .saturating_add(attributes.saturating_mul(attributes))
            .saturating_add(prefixes)
            .saturating_add(declared);
        if comparisons > MAX_COMPARISONS {
            return limit("the document has too many attributes and namespaces");
        }
        if closes {
            in_scope = in_scope.saturating_sub(namespaces);
        } else {
            open.push(namespaces);
        }
        if open.len() > MAX_DEPTH {
            return limit("the document is nested too deep");
        }
    }
    Ok(())
}

/// What a start tag costs the parser.
struct Tag {
    attributes: usize,
    /// How many of the attributes declare a namespace.
    namespaces: usize,
    /// Whether it is an empty element's.
    closes: bool,
}

impl Tag {
    /// Reads the text after a `<`. No `<` may stand in an attribute, so the tag ends before the next one.
    fn read(tag: &str) -> Self {
        let mut read = Self { attributes: 0, namespaces: 0, closes: false };
        let (mut quote, mut last, mut start) = (None, ' ', 0usize);
        for (place, character) in tag.char_indices() {
            match (quote, character) {
                (Some(open), _) if open == character => {
                    quote = None;
                    start = place.saturating_add(1);
                }
                (None, '"' | '\'') => {
                    quote = Some(character);
                    read.attributes = read.attributes.saturating_add(1);
                    // From the last value to this one: white space, the name, `=`.
                    let name = tag.get(start..place).unwrap_or_default();
                    read.namespaces = read.namespaces.saturating_add(usize::from(name.contains("xmlns")));
                }
                (None, '>') => {
                    read.closes = last == '/';
                    break;
                }
                (_, '<') => break,
                _ => {}
            }
            last = character;
        }
        read
    }
}

fn is(node: Node<'_, '_>, name: Name) -> bool {
    let tag = node.tag_name();
    tag.name() == name.local && name.spaces.contains(&tag.namespace())
}

/// Where an element is, below the key's package or from the root.
fn place_of(node: Node<'_, '_>) -> String {
    let inside = node.ancestors().take_while(|node| !is(*node, pskc("KeyPackage")));
    let mut names: Vec<&str> = inside.filter(Node::is_element).map(|node| node.tag_name().name()).collect();
    names.reverse();
    names.join("/")
}

/// The elements of this name in their order. One of another namespace is an error.
fn children<'a, 'i>(
    node: Node<'a, 'i>,
    name: Name,
) -> impl Iterator<Item = Result<Node<'a, 'i>, TransferError>> {
    node.children().filter(move |child| child.tag_name().name() == name.local).map(move |child| {
        if is(child, name) {
            return Ok(child);
        }
        let message = "an element has the right name and a wrong namespace";
        Err(TransferError::new(Kind::Malformed, message, place_of(child)))
    })
}

/// The element of this name, if there is one. Two of them are an error: two readers could take different ones.
fn child<'a, 'i>(node: Node<'a, 'i>, name: Name) -> Result<Option<Node<'a, 'i>>, TransferError> {
    let mut found = children(node, name);
    let first = found.next().transpose()?;
    match found.next().transpose()? {
        None => Ok(first),
        Some(second) => Err(TransferError::new(Kind::Malformed, "an element stands twice", place_of(second))),
    }
}

/// The text of an element, which has no elements in it.
fn text(node: Node<'_, '_>) -> Result<Zeroizing<String>, TransferError> {
    let mut text = Zeroizing::new(String::new());
    for child in node.children() {
        if child.is_element() {
            let message = "an element stands where a text is meant";
            return Err(TransferError::new(Kind::Malformed, message, place_of(node)));
        }
        if child.is_text() {
            text.push_str(child.text().unwrap_or_default());
        }
    }
    Ok(text)
}

fn trimmed(node: Option<Node<'_, '_>>) -> Result<Option<String>, TransferError> {
    let Some(node) = node else { return Ok(None) };
    let text = text(node)?.trim().to_owned();
    Ok(if text.is_empty() { None } else { Some(text) })
}

/// The text of an element of this name, if there is one.
fn text_of(node: Node<'_, '_>, name: Name) -> Result<Option<String>, TransferError> {
    trimmed(child(node, name)?)
}

/// Bytes in base64, or the fault that they are none.
fn bytes(node: Node<'_, '_>, not_base64: &'static str) -> Result<Zeroizing<Vec<u8>>, TransferError> {
    let broken = || TransferError::new(Kind::Malformed, not_base64, place_of(node));
    let text = text(node)?;
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().filter(|character| !character.is_ascii_whitespace()));
    let unpadded = plain.trim_end_matches('=');
    if plain.len().saturating_sub(unpadded.len()) > 2 {
        return Err(broken());
    }
    Base64Unpadded::decode_vec(unpadded).map(Zeroizing::new).map_err(|_| broken())
}

/// `hotp`, `totp`, `pin` …: the end of the URN.
fn algorithm_name<'a>(key: Node<'a, '_>) -> &'a str {
    key.attribute("Algorithm").unwrap_or_default().rsplit([':', '#']).next().unwrap_or_default()
}

fn label(package: Node<'_, '_>, key: Node<'_, '_>) -> Option<String> {
    let serial = || text_of(child(package, pskc("DeviceInfo")).ok()??, pskc("SerialNo")).ok()?;
    key.attribute("Id").map(str::to_owned).filter(|id| !id.is_empty()).or_else(serial)
}

fn key(package: Node<'_, '_>, node: Node<'_, '_>, cipher: &Cipher) -> Result<Key, TransferError> {
    let malformed = |message, place: &str| TransferError::new(Kind::Malformed, message, place);
    let unsupported = |message, place: &str| TransferError::new(Kind::Unsupported, message, place);
    let is_totp = match algorithm_name(node) {
        "totp" => true,
        "hotp" => false,
        _ => return Err(unsupported("the key is neither HOTP nor TOTP", "Key")),
    };
    if let Some(policy) = child(node, pskc("Policy"))? {
        for name in ["StartDate", "ExpiryDate", "NumberOfTransactions", "PINPolicy"] {
            child(policy, pskc(name))?;
        }
        for rule in policy.children().filter(Node::is_element) {
            match rule.tag_name().name() {
                "StartDate" | "ExpiryDate" | "NumberOfTransactions" | "KeyUsage" => {}
                "PINPolicy" => match rule.attribute("PINUsageMode") {
                    None | Some("Local") => {}
                    _ => return Err(unsupported("the PIN is part of the code", "Key/Policy/PINPolicy")),
                },
                // RFC 6030, section 5: who does not know a rule must not use the key.
                _ => return Err(unsupported("the key's policy has an unknown rule", "Key/Policy")),
            }
        }
        let mut uses = Vec::new();
        for usage in children(policy, pskc("KeyUsage")) {
            uses.extend(trimmed(Some(usage?))?);
        }
        if !uses.is_empty() && !uses.iter().any(|usage| usage == "OTP") {
            return Err(unsupported("the key's policy forbids its use for codes", "Key/Policy/KeyUsage"));
        }
    }
    let (mut algorithm, mut digits) = (Algorithm::Sha1, 6);
    if let Some(parameters) = child(node, pskc("AlgorithmParameters"))? {
        if let Some(suite) = text_of(parameters, pskc("Suite"))? {
            let plain = suite.to_ascii_uppercase().replace('-', "").replace("HMAC", "");
            algorithm = *Algorithm::ALL
                .iter()
                .find(|known| known.uri_name() == plain)
                .ok_or_else(|| unsupported("the suite is unknown", "Key/AlgorithmParameters/Suite"))?;
        }
        if let Some(format) = child(parameters, pskc("ResponseFormat"))? {
            let place = "Key/AlgorithmParameters/ResponseFormat";
            if !matches!(format.attribute("Encoding"), None | Some("DECIMAL")) {
                return Err(unsupported("the code is not decimal", place));
            }
            if matches!(format.attribute("CheckDigits"), Some("true" | "1")) {
                return Err(unsupported("the code has a check digit", place));
            }
            if let Some(length) = format.attribute("Length") {
                let length = number(length).ok_or_else(|| malformed("the length is no number", place))?;
                digits = u8::try_from(length)
                    .ok()
                    .filter(|digits| (1..=10).contains(digits))
                    .ok_or_else(|| unsupported("a code has 1 to 10 digits", place))?;
            }
        }
    }
    let missing = || unsupported("the document does not hold the key's secret", "Key/Data/Secret");
    let data = child(node, pskc("Data"))?.ok_or_else(missing)?;
    let secret = child(data, pskc("Secret"))?.ok_or_else(missing)?;
    let secret = match (child(secret, pskc("PlainValue"))?, child(secret, pskc("EncryptedValue"))?) {
        (Some(plain), None) => bytes(plain, "the secret is not base64")?,
        (None, Some(encrypted)) => cipher
            .decrypt(encrypted, child(secret, pskc("ValueMAC"))?)
            .map_err(|fault| TransferError { place: "Key/Data/Secret".into(), ..fault })?,
        _ => return Err(missing()),
    };
    if secret.is_empty() {
        return Err(malformed("the secret is empty", "Key/Data/Secret"));
    }
    let value = |name: &'static str, place: &'static str| match child(data, pskc(name))? {
        None => Ok(None),
        Some(value) => match child(value, pskc("PlainValue"))? {
            Some(plain) => number(text(plain)?.trim())
                .map(Some)
                .ok_or_else(|| malformed("not a number of 0 or more", place)),
            None => Err(unsupported("only the secret may be encrypted", place)),
        },
    };
    let moving = if is_totp {
        let place = "Key/Data/TimeInterval";
        match value("TimeInterval", place)?.unwrap_or(30) {
            0 => return Err(malformed("a time step has at least one second", place)),
            period => Moving::Totp(period),
        }
    } else {
        Moving::Hotp(value("Counter", "Key/Data/Counter")?.unwrap_or(0))
    };
    let device = child(package, pskc("DeviceInfo"))?;
    let of_device = |name| device.map_or(Ok(None), |device| text_of(device, pskc(name)));
    let user = match text_of(node, pskc("UserId"))? {
        None => of_device("UserId")?,
        user => user,
    };
    Ok(Key {
        secret: Secret::from_bytes(&secret),
        id: node.attribute("Id").unwrap_or_default().to_owned(),
        serial: of_device("SerialNo")?,
        manufacturer: of_device("Manufacturer")?,
        issuer: text_of(node, pskc("Issuer"))?,
        user,
        algorithm,
        digits,
        moving,
    })
}

/// A number of 1 to 19 plain digits.
fn number(text: &str) -> Option<u64> {
    let plain = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// How the document's secrets are encrypted, with the key.
struct Cipher {
    key: Option<Zeroizing<Vec<u8>>>,
    mac: Option<HmacKey>,
    /// Why there is no key.
    why_not: &'static str,
}

impl Cipher {
    fn open(root: Node<'_, '_>, credential: Option<Credential<'_>>) -> Result<Self, TransferError> {
        let derived = match child(root, pskc("EncryptionKey"))? {
            Some(key) => child(key, xenc11("DerivedKey"))?,
            None => None,
        };
        let (key, why_not) = match (credential, derived) {
            (Some(Credential::Key(key)), _) => (Some(Zeroizing::new(key.to_vec())), ""),
            (Some(Credential::Password(password)), Some(derived)) => (Some(derive(derived, password)?), ""),
            (Some(Credential::Password(_)), None) => {
                (None, "the document is encrypted with a key, not with a password")
            }
            (None, Some(_)) => (None, "the document is encrypted with a password, and none was given"),
            (None, None) => (None, "the document is encrypted with a key, and none was given"),
        };
        let mut cipher = Self { key, mac: None, why_not };
        let Some(method) = child(root, pskc("MACMethod"))? else { return Ok(cipher) };
        let Some(key) = &cipher.key else { return Ok(cipher) };
        let algorithm = match algorithm_name(method) {
            "hmac-sha1" => Algorithm::Sha1,
            "hmac-sha256" => Algorithm::Sha256,
            "hmac-sha512" => Algorithm::Sha512,
            _ => {
                let place = "KeyContainer/MACMethod";
                return Err(TransferError::new(Kind::Unsupported, "the MAC's algorithm is unknown", place));
            }
        };
        let mac_key = match child(method, pskc("MACKey"))? {
            Some(encrypted) => decrypt(key, encrypted, ciphertext(encrypted)?)
                .map_err(|fault| TransferError { place: "KeyContainer/MACMethod/MACKey".into(), ..fault })?,
            None => key.clone(), // RFC 6030, section 6.1.1
        };
        cipher.mac = Some(HmacKey::new(algorithm, &mac_key));
        Ok(cipher)
    }

    /// The MAC is over the ciphertext with its initialization vector, and is checked before anything is decrypted.
    fn decrypt(
        &self,
        encrypted: Node<'_, '_>,
        mac: Option<Node<'_, '_>>,
    ) -> Result<Zeroizing<Vec<u8>>, TransferError> {
        let Some(key) = &self.key else {
            return Err(TransferError::new(Kind::Encrypted, self.why_not, ""));
        };
        let ciphertext = ciphertext(encrypted)?;
        let (Some(hmac), Some(expected)) = (&self.mac, mac) else {
            let message = "the secret is encrypted without a MAC, so a change would not be seen";
            return Err(TransferError::new(Kind::Unsupported, message, ""));
        };
        let expected = bytes(expected, "the MAC is not base64")?;
        if !bool::from(hmac.mac(&ciphertext).ct_eq(&expected)) {
            let message = "the key does not fit, or the secret was changed";
            return Err(TransferError::new(Kind::WrongKey, message, ""));
        }
        decrypt(key, encrypted, ciphertext)
    }
}

fn ciphertext(encrypted: Node<'_, '_>) -> Result<Zeroizing<Vec<u8>>, TransferError> {
    let not_base64 = "the encrypted value is not base64";
    let value = match child(encrypted, xenc("CipherData"))? {
        Some(data) => child(data, xenc("CipherValue"))?,
        None => None,
    };
    bytes(value.ok_or_else(|| TransferError::new(Kind::Malformed, not_base64, ""))?, not_base64)
}

/// AES-CBC as XML Encryption has it: the vector before the ciphertext, and the padding's last byte is its length.
fn decrypt(
    key: &[u8],
    encrypted: Node<'_, '_>,
    ciphertext: Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, TransferError> {
    let name = child(encrypted, xenc("EncryptionMethod"))?.map(algorithm_name).unwrap_or_default();
    let broken = || TransferError::new(Kind::Malformed, "the encrypted value has an impossible length", "");
    let wrong = |message| TransferError::new(Kind::WrongKey, message, "");
    let (vector, blocks) = ciphertext.split_first_chunk::<16>().ok_or_else(broken)?;
    if blocks.is_empty() || !blocks.len().is_multiple_of(16) {
        return Err(broken());
    }
    macro_rules! open {
        ($cipher:ty) => {
            cbc::Decryptor::<$cipher>::new_from_slices(key, vector)
                .map_err(|_| wrong("the key has not the length that the document's cipher needs"))?
                .decrypt_padded_vec::<Iso10126>(blocks)
        };
    }
    let plain = match name {
        "aes128-cbc" => open!(aes::Aes128),
        "aes192-cbc" => open!(aes::Aes192),
        "aes256-cbc" => open!(aes::Aes256),
        _ => return Err(TransferError::new(Kind::Unsupported, "the cipher is not AES-CBC", "")),
    };
    plain.map(Zeroizing::new).map_err(|_| wrong("the key does not fit, or the value was changed"))
}

/// The key from a password (RFC 6030, section 6.2).
fn derive(derived: Node<'_, '_>, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, TransferError> {
    let fault = |kind, message| {
        TransferError::new(kind, message, "KeyContainer/EncryptionKey/DerivedKey/KeyDerivationMethod")
    };
    let unsupported =
        || fault(Kind::Unsupported, "the key's derivation is not PBKDF2 over HMAC-SHA-1 or -256");
    let method = child(derived, xenc11("KeyDerivationMethod"))?;
    let method = method.filter(|method| algorithm_name(*method) == "pbkdf2").ok_or_else(unsupported)?;
    let parameters = child(method, pbkdf2("PBKDF2-params"))?.ok_or_else(unsupported)?;
    let incomplete = "PBKDF2's parameters are incomplete";
    let malformed = || fault(Kind::Malformed, incomplete);
    let salt = child(parameters, pbkdf2("Salt"))?.ok_or_else(malformed)?;
    let salt = bytes(child(salt, pbkdf2("Specified"))?.ok_or_else(malformed)?, incomplete)?;
    let value = |name| text_of(parameters, pbkdf2(name))?.as_deref().and_then(number).ok_or_else(malformed);
    let iterations = u32::try_from(value("IterationCount")?).unwrap_or(u32::MAX);
    if iterations == 0 || iterations > MAX_ITERATIONS {
        return Err(fault(Kind::Limit, "PBKDF2 would run too often, or never"));
    }
    let mut key = match value("KeyLength")? {
        length @ (16 | 24 | 32) => Zeroizing::new(vec![0; length as usize]),
        _ => return Err(unsupported()),
    };
    let function = child(parameters, pbkdf2("PRF"))?.and_then(|function| function.attribute("Algorithm"));
    let result = match function.map(|name| name.rsplit([':', '#']).next().unwrap_or_default()) {
        None | Some("" | "hmac-sha1") => {
            pbkdf2::pbkdf2::<hmac::Hmac<sha1::Sha1>>(password, &salt, iterations, &mut key)
        }
        Some("hmac-sha256") => {
            pbkdf2::pbkdf2::<hmac::Hmac<sha2::Sha256>>(password, &salt, iterations, &mut key)
        }
        Some(_) => return Err(unsupported()),
    };
    result.map_err(|_| unsupported())?;
    Ok(key)
}
