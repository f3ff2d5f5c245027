//! `ferrotp.vault`'s native classes: they read arguments and map errors; what they do is the core's.
//!
//! The methods are native up to the caller, so that no Python frame, which a traceback would keep, holds a code, a
//! secret or a key.

use core::num::NonZeroU32;
use std::path::PathBuf;

use pyo3::exceptions::{PyMemoryError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyList, PyMemoryView, PyString, PyTuple, PyType};
use zeroize::Zeroizing;

use crate::derivation::{Source, derive};
use crate::recovery::{self, Hashing, RecoveryCode, Scheme};
use crate::vault::{self, Key, Keyring, Kind, Owner, Parameters, Purpose};
use crate::wipe::with_wiped_stack;
use crate::{Algorithm, Digits, VaultError};

/// The exception of `ferrotp.vault` for an error.
fn raised(py: Python<'_>, error: VaultError) -> PyErr {
    let message = error.to_string();
    match error {
        VaultError::KeyText
        | VaultError::KeyLength
        | VaultError::WeakKey
        | VaultError::DuplicateKey(_)
        | VaultError::NoKeys
        | VaultError::TooManyKeys
        | VaultError::KeyFile(_)
        | VaultError::KeyFileMode(_)
        | VaultError::KeyFileContents => keyring_error(py, message),
        VaultError::Malformed => sealed_record_error(py, message, "malformed", None),
        VaultError::UnknownKey(id) => sealed_record_error(py, message, "unknown key", Some(id.to_string())),
        VaultError::Changed(id) | VaultError::WrongKind(id) => {
            sealed_record_error(py, message, "changed", Some(id.to_string()))
        }
        VaultError::CounterOutOfRange => PyOverflowError::new_err(message),
        VaultError::NoMemory => PyMemoryError::new_err(message),
        VaultError::NoRandomness => named(py, "VaultError", (message,)),
        _ => PyValueError::new_err(message),
    }
}

/// An exception of `ferrotp.vault`. It is found when it is needed: that module imports this one.
fn named<'py>(py: Python<'py>, name: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    let class = py.import("ferrotp.vault").and_then(|module| module.getattr(name));
    class.and_then(|class| class.call1(arguments)).map_or_else(|error| error, PyErr::from_value)
}

fn keyring_error(py: Python<'_>, message: String) -> PyErr {
    named(py, "KeyringError", (message,))
}

fn sealed_record_error(py: Python<'_>, message: String, reason: &str, key_id: Option<String>) -> PyErr {
    named(py, "SealedRecordError", (message, reason, key_id))
}

/// A text that is no secret. What cannot be UTF-8 is refused here: Python's own exception would carry the text.
fn text<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> PyResult<&'a str> {
    let text = value.cast::<PyString>().map_err(|_| PyTypeError::new_err(format!("{name} must be a str")))?;
    text.to_str().map_err(|_| PyValueError::new_err(format!("{name} has lone surrogates, which are no text")))
}

/// A typed code. What cannot be one is none, whatever it is.
fn code<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> PyResult<&'a str> {
    let text = value.cast::<PyString>().map_err(|_| PyTypeError::new_err(format!("{name} must be a str")))?;
    Ok(text.to_str().unwrap_or_default())
}

/// A counter, a time or a window.
fn number(value: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    let value = value.cast::<PyInt>().map_err(|_| PyTypeError::new_err(format!("{name} must be an int")))?;
    match value.extract() {
        Ok(number) => Ok(number),
        Err(_) if value.lt(0)? => Err(PyValueError::new_err(format!("{name} must not be negative"))),
        Err(_) => Err(PyOverflowError::new_err(format!("{name} must be below 2**64"))),
    }
}

/// The last step accepted: -1 if there is none.
fn accepted(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    match value {
        None => Ok(None),
        Some(value)
            if value
                .cast::<PyInt>()
                .is_ok_and(|value| value.extract::<i64>().is_ok_and(|value| value == -1)) =>
        {
            Ok(None)
        }
        Some(value) => number(value, "last_step").map(Some),
    }
}

/// A small number, or `None` for what is no int. What is out of range comes out as the largest, which the core refuses.
#[derive(Clone, Copy)]
struct Small(Option<u32>);

impl Small {
    const fn of(number: u32) -> Self {
        Self(Some(number))
    }

    fn get(&self, name: &str) -> PyResult<u32> {
        self.0.ok_or_else(|| PyTypeError::new_err(format!("{name} must be an int")))
    }
}

impl<'py> FromPyObject<'_, 'py> for Small {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(value.cast::<PyInt>().ok().map(|value| value.extract().unwrap_or(u32::MAX))))
    }
}

/// Bytes as databases hand them out.
enum Record<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copied(Vec<u8>),
}

impl Record<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Record<'py> {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.to_owned()));
        }
        if let Ok(bytes) = value.cast::<PyByteArray>() {
            return Ok(Self::Copied(bytes.to_vec()));
        }
        if value.cast::<PyMemoryView>().is_ok() {
            let bytes = value.py().get_type::<PyBytes>().call1((value,))?;
            return Ok(Self::Bytes(bytes.cast_into()?));
        }
        Err(PyTypeError::new_err("a sealed record must be bytes"))
    }
}

/// Secret bytes. A copy of a bytearray is wiped, as its owner can wipe the bytearray.
enum SecretBytes<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copied(Zeroizing<Vec<u8>>),
}

impl SecretBytes<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copied(bytes) => bytes,
        }
    }
}

fn secret_bytes<'py>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<SecretBytes<'py>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(SecretBytes::Bytes(bytes.clone()));
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(SecretBytes::Copied(Zeroizing::new(bytes.to_vec())));
    }
    Err(PyTypeError::new_err(format!("{name} must be bytes or a bytearray")))
}

/// `(tenant, user_id, factor_id)`.
struct OwnerTuple<'py>([Bound<'py, PyAny>; 3]);

impl OwnerTuple<'_> {
    fn get(&self) -> PyResult<Owner<'_>> {
        let [tenant, user, factor] = &self.0;
        owner(tenant, user, factor, "factor_id")
    }
}

fn owner<'a>(
    tenant: &'a Bound<'_, PyAny>,
    user: &'a Bound<'_, PyAny>,
    factor: &'a Bound<'_, PyAny>,
    factor_name: &str,
) -> PyResult<Owner<'a>> {
    let names = (text(tenant, "tenant")?, text(user, "user_id")?, text(factor, factor_name)?);
    Owner::new(names.0, names.1, names.2).map_err(|error| raised(tenant.py(), error))
}

impl<'py> FromPyObject<'_, 'py> for OwnerTuple<'py> {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let wrong = || PyTypeError::new_err("owner must be a tuple (tenant, user_id, factor_id)");
        let tuple = value.cast::<PyTuple>().map_err(|_| wrong())?;
        if tuple.len() != 3 {
            return Err(wrong());
        }
        Ok(Self([tuple.get_item(0)?, tuple.get_item(1)?, tuple.get_item(2)?]))
    }
}

fn parameters(
    py: Python<'_>,
    kind: Option<&Bound<'_, PyAny>>,
    algorithm: Option<&Bound<'_, PyAny>>,
    digits: Small,
    period: Small,
) -> PyResult<Parameters> {
    let kind = match kind.map_or(Ok("totp"), |kind| text(kind, "kind"))? {
        "totp" => Kind::Totp { period: period.get("period")? },
        "hotp" => Kind::Hotp,
        _ => return Err(PyValueError::new_err("kind must be 'totp' or 'hotp'")),
    };
    let algorithm = algorithm.map_or(Ok("SHA1"), |algorithm| text(algorithm, "algorithm"))?;
    let algorithm = Algorithm::ALL
        .into_iter()
        .find(|known| known.uri_name().eq_ignore_ascii_case(algorithm))
        .ok_or_else(|| PyValueError::new_err("algorithm must be 'SHA1', 'SHA256' or 'SHA512'"))?;
    let digits = u8::try_from(digits.get("digits")?).unwrap_or(u8::MAX);
    let digits = Digits::new(digits).map_err(|_| raised(py, VaultError::Digits))?;
    Parameters::new(kind, algorithm, digits).map_err(|error| raised(py, error))
}

/// The text form of a new key: 32 bytes from the operating system's generator.
///
/// :raises VaultError: if the operating system gave no random bytes
#[pyfunction]
pub(super) fn new_key(py: Python<'_>) -> PyResult<Bound<'_, PyString>> {
    let key = Key::generate().map_err(|error| raised(py, error))?;
    Ok(PyString::new(py, &key.to_text()))
}

/// The keys that passlib's records are encrypted under: PBKDF2 with HMAC-SHA-256 of an application's secret and of each
/// record's salt, 48 bytes each. They are derived side by side; other threads run meanwhile.
#[pyfunction]
pub(super) fn wallet_keys<'py>(
    py: Python<'py>,
    secret: &Bound<'py, PyBytes>,
    salts: Vec<Bound<'py, PyBytes>>,
    iterations: NonZeroU32,
) -> PyResult<Bound<'py, PyList>> {
    let password = secret.as_bytes();
    let sources: Vec<_> = salts.iter().map(|salt| Source { password, salt: salt.as_bytes() }).collect();
    let keys = py
        .detach(|| with_wiped_stack(|| derive::<48>(&sources, iterations.get())))
        .map_err(|error| raised(py, error))?;
    PyList::new(py, keys.iter().map(|key| PyBytes::new(py, key)))
}

/// How recovery codes are hashed. Made by `argon2id` or `pbkdf2`.
#[pyclass(name = "Hashing", module = "ferrotp.vault", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct PyHashing(Hashing);

impl PyHashing {
    fn checked(py: Python<'_>, scheme: Scheme) -> PyResult<Self> {
        Hashing::new(scheme).map(Self).map_err(|error| raised(py, error))
    }
}

#[pymethods]
impl PyHashing {
    #[new]
    #[pyo3(signature = (scheme, *costs))]
    fn new(scheme: &Bound<'_, PyAny>, costs: Vec<Small>) -> PyResult<Self> {
        match (text(scheme, "scheme")?, costs.as_slice()) {
            ("argon2id", [memory_kib, passes, lanes]) => {
                Self::argon2id(scheme.py(), *memory_kib, *passes, *lanes)
            }
            ("pbkdf2", [iterations]) => Self::pbkdf2(scheme.py(), *iterations),
            _ => Err(PyValueError::new_err("use Hashing.argon2id() or Hashing.pbkdf2()")),
        }
    }

    /// Argon2id (RFC 9106). The defaults are OWASP's: 19 MiB, two passes, one lane, about 20 ms.
    ///
    /// :param memory_kib: memory in KiB, 8 a lane to 262144
    /// :param passes: 1 to 64
    /// :param lanes: 1 to 64; they are computed one after the other
    /// :raises ValueError: if a cost is out of its range
    #[staticmethod]
    #[pyo3(
        signature = (memory_kib = Small::of(19_456), passes = Small::of(2), lanes = Small::of(1)),
        text_signature = "(memory_kib=19456, passes=2, lanes=1)"
    )]
    fn argon2id(py: Python<'_>, memory_kib: Small, passes: Small, lanes: Small) -> PyResult<Self> {
        let (memory_kib, passes) = (memory_kib.get("memory_kib")?, passes.get("passes")?);
        Self::checked(py, Scheme::Argon2id { memory_kib, passes, lanes: lanes.get("lanes")? })
    }

    /// PBKDF2 with HMAC-SHA-256 (RFC 8018), for where FIPS 140 is asked for. The default is OWASP's.
    ///
    /// :param iterations: 1000 to 10000000
    /// :raises ValueError: if it is out of its range
    #[staticmethod]
    #[pyo3(signature = (iterations = Small::of(600_000)), text_signature = "(iterations=600000)")]
    fn pbkdf2(py: Python<'_>, iterations: Small) -> PyResult<Self> {
        Self::checked(py, Scheme::Pbkdf2 { iterations: iterations.get("iterations")? })
    }

    /// "argon2id" or "pbkdf2".
    #[getter]
    fn scheme(&self) -> &'static str {
        match self.0.scheme() {
            Scheme::Argon2id { .. } => "argon2id",
            Scheme::Pbkdf2 { .. } => "pbkdf2",
        }
    }

    fn __repr__(&self) -> String {
        match self.0.scheme() {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                format!("Hashing.argon2id(memory_kib={memory_kib}, passes={passes}, lanes={lanes})")
            }
            Scheme::Pbkdf2 { iterations } => format!("Hashing.pbkdf2(iterations={iterations})"),
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let costs = match slf.get().0.scheme() {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                ("argon2id", memory_kib, passes, lanes).into_pyobject(py)?
            }
            Scheme::Pbkdf2 { iterations } => ("pbkdf2", iterations).into_pyobject(py)?,
        };
        Ok((slf.get_type(), costs))
    }
}

/// Keys, of which the first seals and all open: ``Keyring(keys)`` takes their text forms, as a list or in one text,
/// separated by white space or commas.
///
/// Every method checks natively what it opens: the secret never becomes a Python object, except in `reveal`. An `owner`
/// is ``(tenant, user_id, factor_id)``; the tenant may be empty.
///
/// :raises KeyringError: for what is no key, a key that is not random or stands twice, or no key at all
#[pyclass(name = "Keyring", module = "ferrotp.vault", frozen)]
pub(super) struct PyKeyring(Keyring);

impl PyKeyring {
    fn checked(py: Python<'_>, keyring: Result<Keyring, VaultError>) -> PyResult<Self> {
        keyring.map(Self).map_err(|error| raised(py, error))
    }
}

#[pymethods]
impl PyKeyring {
    #[new]
    fn new(keys: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = keys.py();
        if let Ok(text) = keys.cast::<PyString>() {
            let keyring = text.to_str().map_err(|_| VaultError::KeyText).and_then(Keyring::from_text);
            return Self::checked(py, keyring);
        }
        let wrong = || PyTypeError::new_err("keys must be a str, or several");
        let mut list = Vec::new();
        for key in keys.try_iter().map_err(|_| wrong())? {
            let key = key?;
            let text = key.cast::<PyString>().map_err(|_| wrong())?.to_str();
            list.push(text.map_err(|_| VaultError::KeyText).and_then(Key::from_text));
            if list.len() > Keyring::MAX_KEYS {
                break; // one too many, which the core says
            }
        }
        Self::checked(py, Keyring::new(list))
    }

    /// The keys in an environment variable.
    ///
    /// :raises KeyringError: if it is not set, or as the class does
    #[staticmethod]
    #[pyo3(signature = (name = None), text_signature = "(name='FERROTP_KEYS')")]
    fn from_env(py: Python<'_>, name: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let name = name.map_or(Ok("FERROTP_KEYS"), |name| text(name, "name"))?;
        let value = py.import("os")?.getattr("environ")?.call_method1("get", (name,))?;
        if value.is_none() {
            let name = quotable(name);
            return Err(keyring_error(
                py,
                format!(
                    "the environment variable {name} is not set: put a key of ferrotp.vault.new_key() there"
                ),
            ));
        }
        let value = value.cast::<PyString>()?.to_str().map_err(|_| VaultError::KeyText);
        Self::checked(py, value.and_then(Keyring::from_text))
    }

    /// The keys in a file, where ``#`` begins a comment. On POSIX nobody but its owner may have access to it.
    ///
    /// :param path: of a regular file of at most 64 KiB
    /// :param allow_group: let its group read it (mode 0440)
    /// :raises KeyringError: if it cannot be read or others can, or as the class does
    #[staticmethod]
    #[pyo3(signature = (path, *, allow_group = false))]
    fn from_file(path: &Bound<'_, PyAny>, allow_group: bool) -> PyResult<Self> {
        let py = path.py();
        let path: PathBuf = match path.extract() {
            Ok(path) => path,
            Err(error) if error.is_instance_of::<PyTypeError>(py) => {
                return Err(PyTypeError::new_err("path must be a str or an os.PathLike"));
            }
            Err(_) => {
                return Err(keyring_error(py, "path has lone surrogates, which are no text".to_owned()));
            }
        };
        py.detach(|| Keyring::from_file(&path, allow_group)).map(Self).map_err(|error| {
            if let VaultError::KeyFile(_) | VaultError::KeyFileMode(_) | VaultError::KeyFileContents = error {
                keyring_error(py, format!("{:?}: {error}", quotable(&path.to_string_lossy())))
            } else {
                raised(py, error)
            }
        })
    }

    /// Keys of 32 bytes each, the first of which seals.
    ///
    /// :raises KeyringError: as the class does
    #[staticmethod]
    #[pyo3(signature = (key, *older))]
    fn from_bytes<'py>(key: &Bound<'py, PyAny>, older: &Bound<'py, PyTuple>) -> PyResult<Self> {
        let mut keys = vec![Key::from_bytes(secret_bytes(key, "key")?.as_bytes())];
        for key in older.iter().take(Keyring::MAX_KEYS) {
            keys.push(Key::from_bytes(secret_bytes(&key, "key")?.as_bytes()));
        }
        Self::checked(key.py(), Keyring::new(keys))
    }

    /// A keyring of one new key. Save what `export` gives: without it, what the key sealed is lost.
    ///
    /// :raises VaultError: if the operating system gave no random bytes
    #[staticmethod]
    fn generate(py: Python<'_>) -> PyResult<Self> {
        Self::checked(py, Keyring::generate())
    }

    /// All keys in one text, which the class takes. It shows the keys: who has it opens every record.
    fn export<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &self.0.to_text())
    }

    /// The ids of all keys, the one that seals first.
    #[getter]
    fn key_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.keys().map(|key| key.id().to_string()).collect::<Vec<_>>())
    }

    /// The id of the key that seals.
    #[getter]
    fn writes_with(&self) -> String {
        self.0.writing().id().to_string()
    }

    /// Seals a new secret from the operating system's generator.
    ///
    /// :param kind: "totp" or "hotp"
    /// :param algorithm: "SHA1", "SHA256" or "SHA512"
    /// :param digits: 6 to 10
    /// :param period: seconds of a time step; not used for HOTP
    /// :param length: bytes, 16 to 128; RFC 4226 recommends 20
    /// :returns: the sealed record
    /// :raises ValueError: if an argument is out of its range
    #[pyo3(
        signature = (
            owner, *, kind = None, algorithm = None, digits = Small::of(6), period = Small::of(30), length = Small::of(20)
        ),
        text_signature = "($self, owner, *, kind='totp', algorithm='SHA1', digits=6, period=30, length=20)"
    )]
    #[allow(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn new_secret<'py>(
        &self,
        py: Python<'py>,
        owner: OwnerTuple<'py>,
        kind: Option<&Bound<'py, PyAny>>,
        algorithm: Option<&Bound<'py, PyAny>>,
        digits: Small,
        period: Small,
        length: Small,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let parameters = parameters(py, kind, algorithm, digits, period)?;
        let length = usize::try_from(length.get("length")?).unwrap_or(usize::MAX);
        let record = self.0.new_otp(&owner.get()?, parameters, length).map_err(|error| raised(py, error))?;
        Ok(PyBytes::new(py, &record))
    }

    /// Seals a secret that is there already. A bytearray can be wiped afterwards, bytes cannot.
    ///
    /// :param secret: 10 to 128 bytes
    /// :param kind: "totp" or "hotp"
    /// :param algorithm: "SHA1", "SHA256" or "SHA512"
    /// :param digits: 6 to 10
    /// :param period: seconds of a time step; not used for HOTP
    /// :returns: the sealed record
    /// :raises ValueError: if an argument is out of its range
    #[pyo3(
        signature = (owner, secret, *, kind = None, algorithm = None, digits = Small::of(6), period = Small::of(30)),
        text_signature = "($self, owner, secret, *, kind='totp', algorithm='SHA1', digits=6, period=30)"
    )]
    #[allow(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn seal<'py>(
        &self,
        owner: OwnerTuple<'py>,
        secret: &Bound<'py, PyAny>,
        kind: Option<&Bound<'py, PyAny>>,
        algorithm: Option<&Bound<'py, PyAny>>,
        digits: Small,
        period: Small,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = secret.py();
        let parameters = parameters(py, kind, algorithm, digits, period)?;
        let secret = secret_bytes(secret, "secret")?;
        let record = self
            .0
            .seal_otp(&owner.get()?, parameters, secret.as_bytes())
            .map_err(|error| raised(py, error))?;
        Ok(PyBytes::new(py, &record))
    }

    /// The secret as Python objects, which cannot be wiped: for enrolment, when the user sees it, and for export.
    ///
    /// :raises SealedRecordError: if the record does not open for this owner
    fn reveal<'py>(
        &self,
        py: Python<'py>,
        owner: OwnerTuple<'py>,
        sealed: Record<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (parameters, secret) =
            self.0.reveal_otp(&owner.get()?, sealed.as_bytes()).map_err(|error| raised(py, error))?;
        let (kind, period) = match parameters.kind() {
            Kind::Totp { period } => ("totp", period),
            Kind::Hotp => ("hotp", 0),
        };
        let algorithm = parameters.algorithm().uri_name();
        let secret = secret.to_base32();
        let class = py.import("ferrotp.vault")?.getattr("OTPSecret")?;
        class.call1((kind, algorithm, parameters.digits().get(), period, secret.as_str()))
    }

    /// The time step of `now`, and the step of the window whose code is `code`, or None.
    ///
    /// All codes of the window are compared, in a time that does not tell which one matched. The step is what must not
    /// be accepted again, nor any before it: keeping it is the caller's part. Two steps may have the same code: the
    /// earliest that is newer than `last_step` is given, or if none is newer, the newest.
    ///
    /// :param code: exactly as many ASCII digits as the codes have; anything else matches nothing
    /// :param now: Unix time in whole seconds, from the server's clock
    /// :param behind: how many steps before it may match, at most 1000
    /// :param ahead: how many steps after it, at most 1000
    /// :param last_step: the last step accepted, -1 if there is none
    /// :raises SealedRecordError: if the record does not open for this owner, or holds an HOTP secret
    /// :raises ValueError: if a number is negative, or a window too wide
    /// :raises OverflowError: if a number does not fit into 64 bits
    #[pyo3(
        signature = (owner, sealed, code, now, behind, ahead, last_step = None),
        text_signature = "($self, owner, sealed, code, now, behind, ahead, last_step=-1)"
    )]
    #[allow(clippy::too_many_arguments, reason = "they are Python's")]
    fn match_totp<'py>(
        &self,
        owner: OwnerTuple<'py>,
        sealed: Record<'py>,
        code: &Bound<'py, PyAny>,
        now: &Bound<'py, PyAny>,
        behind: &Bound<'py, PyAny>,
        ahead: &Bound<'py, PyAny>,
        last_step: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(u64, Option<u64>)> {
        let py = code.py();
        let (now, behind, ahead) = (number(now, "now")?, number(behind, "behind")?, number(ahead, "ahead")?);
        let (code, accepted) = (self::code(code, "code")?, accepted(last_step)?);
        self.0
            .match_totp(&owner.get()?, sealed.as_bytes(), code, now, behind, ahead, accepted)
            .map_err(|error| raised(py, error))
    }

    /// The time step of `now`, and the step of `next_code` where `code` and `next_code` are of two steps in a row,
    /// the second of them in the window, or None. The rest is as for `match_totp`: neither step of the pair may have
    /// been accepted.
    ///
    /// :param now: Unix time in whole seconds, from the server's clock
    /// :param behind: how many steps before it `next_code` may be of, at most 1000
    /// :param ahead: how many steps after it, at most 1000
    /// :param last_step: the last step accepted, -1 if there is none
    /// :raises SealedRecordError: if the record does not open for this owner, or holds an HOTP secret
    /// :raises ValueError: if a number is negative, or a window too wide
    /// :raises OverflowError: if a number does not fit into 64 bits
    #[pyo3(
        signature = (owner, sealed, code, next_code, now, behind, ahead, last_step = None),
        text_signature = "($self, owner, sealed, code, next_code, now, behind, ahead, last_step=-1)"
    )]
    #[allow(clippy::too_many_arguments, reason = "they are Python's")]
    fn match_totp_pair<'py>(
        &self,
        owner: OwnerTuple<'py>,
        sealed: Record<'py>,
        code: &Bound<'py, PyAny>,
        next_code: &Bound<'py, PyAny>,
        now: &Bound<'py, PyAny>,
        behind: &Bound<'py, PyAny>,
        ahead: &Bound<'py, PyAny>,
        last_step: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(u64, Option<u64>)> {
        let py = code.py();
        let (now, behind, ahead) = (number(now, "now")?, number(behind, "behind")?, number(ahead, "ahead")?);
        let (code, next_code) = (self::code(code, "code")?, self::code(next_code, "next_code")?);
        let accepted = accepted(last_step)?;
        self.0
            .match_totp_pair(&owner.get()?, sealed.as_bytes(), code, next_code, now, behind, ahead, accepted)
            .map_err(|error| raised(py, error))
    }

    /// The earliest counter from `first` to `first` + `look_ahead` whose code is `code`, or None.
    ///
    /// :param code: exactly as many ASCII digits as the codes have; anything else matches nothing
    /// :param look_ahead: at most 1000
    /// :raises SealedRecordError: if the record does not open for this owner, or holds a TOTP secret
    /// :raises ValueError: if a number is negative, or the window too wide
    /// :raises OverflowError: if a number does not fit into 64 bits
    fn match_hotp<'py>(
        &self,
        owner: OwnerTuple<'py>,
        sealed: Record<'py>,
        code: &Bound<'py, PyAny>,
        first: &Bound<'py, PyAny>,
        look_ahead: &Bound<'py, PyAny>,
    ) -> PyResult<Option<u64>> {
        let py = code.py();
        let (first, look_ahead) = (number(first, "first")?, number(look_ahead, "look_ahead")?);
        self.0
            .match_hotp(&owner.get()?, sealed.as_bytes(), self::code(code, "code")?, first, look_ahead)
            .map_err(|error| raised(py, error))
    }

    /// The counter of `next_code`, where `code` and `next_code` are two in a row (RFC 4226, section 7.4), or None.
    ///
    /// :param first: the first counter that `code` may have
    /// :param window: how many counters after it, at most 1000
    /// :raises SealedRecordError: if the record does not open for this owner, or holds a TOTP secret
    /// :raises ValueError: if a number is negative, or the window too wide
    /// :raises OverflowError: if a number does not fit into 64 bits
    fn resync_hotp<'py>(
        &self,
        owner: OwnerTuple<'py>,
        sealed: Record<'py>,
        code: &Bound<'py, PyAny>,
        next_code: &Bound<'py, PyAny>,
        first: &Bound<'py, PyAny>,
        window: &Bound<'py, PyAny>,
    ) -> PyResult<Option<u64>> {
        let py = code.py();
        let (code, next_code) = (self::code(code, "code")?, self::code(next_code, "next_code")?);
        let (first, window) = (number(first, "first")?, number(window, "window")?);
        self.0
            .resync_hotp(&owner.get()?, sealed.as_bytes(), code, next_code, first, window)
            .map_err(|error| raised(py, error))
    }

    /// New recovery codes, whose selectors differ. It takes a hash for each; other threads run meanwhile.
    ///
    /// :param count: 1 to 100
    /// :returns: for each the code to show once, its selector to store in clear, and the sealed record of its hash
    /// :raises ValueError: if an argument is out of its range
    #[pyo3(
        signature = (tenant, user_id, count = Small::of(10), *, hashing),
        text_signature = "($self, tenant, user_id, count=10, *, hashing)"
    )]
    fn new_recovery_codes<'py>(
        &self,
        tenant: &Bound<'py, PyAny>,
        user_id: &Bound<'py, PyAny>,
        count: Small,
        hashing: &Bound<'py, PyHashing>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = tenant.py();
        let (tenant, user) = (text(tenant, "tenant")?, text(user_id, "user_id")?);
        let count = usize::try_from(count.get("count")?).unwrap_or(usize::MAX);
        let hashing = hashing.get().0;
        let set = py
            .detach(|| self.0.new_recovery_codes(tenant, user, count, hashing))
            .map_err(|error| raised(py, error))?;
        let list = PyList::empty(py);
        for new in &set {
            let code = new.code.to_text();
            list.append((code.as_str(), new.code.selector(), PyBytes::new(py, &new.record)))?;
        }
        Ok(list)
    }

    /// Whether `code`, as typed, is the code of a sealed record. It takes a hash; other threads run meanwhile.
    ///
    /// :param selector: the one stored beside the record; `recovery_selector` finds it from the typed code
    /// :raises SealedRecordError: if the record does not open for this user and selector
    fn check_recovery_code<'py>(
        &self,
        tenant: &Bound<'py, PyAny>,
        user_id: &Bound<'py, PyAny>,
        selector: &Bound<'py, PyAny>,
        sealed: Record<'py>,
        code: &Bound<'py, PyAny>,
    ) -> PyResult<bool> {
        let py = code.py();
        let (tenant, user) = (text(tenant, "tenant")?, text(user_id, "user_id")?);
        let (selector, code) = (text(selector, "selector")?, self::code(code, "code")?);
        let record = sealed.as_bytes();
        py.detach(|| self.0.check_recovery_code(tenant, user, selector, record, code))
            .map_err(|error| raised(py, error))
    }

    /// Records of recovery codes that another system made. It takes a hash for each; other threads run meanwhile.
    ///
    /// :param codes: 1 to 100 of at most 64 bytes each; case, spaces and hyphens do not count
    /// :returns: for each its selector, which says nothing of it, and the sealed record of its hash
    /// :raises TypeError: if `codes` is one str: its characters would be the codes
    /// :raises ValueError: if there are more, or one is empty or longer
    #[pyo3(signature = (tenant, user_id, codes, *, hashing))]
    fn hash_recovery_codes<'py>(
        &self,
        tenant: &Bound<'py, PyAny>,
        user_id: &Bound<'py, PyAny>,
        codes: &Bound<'py, PyAny>,
        hashing: &Bound<'py, PyHashing>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = tenant.py();
        let (tenant, user) = (text(tenant, "tenant")?, text(user_id, "user_id")?);
        if codes.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("codes must be several, not one str"));
        }
        let codes = codes.try_iter()?.take(recovery::MAX_COUNT + 1).collect::<PyResult<Vec<_>>>()?;
        let codes = codes.iter().map(|code| self::code(code, "code")).collect::<PyResult<Vec<_>>>()?;
        let hashing = hashing.get().0;
        let records = py
            .detach(|| self.0.hash_recovery_codes(tenant, user, &codes, hashing))
            .map_err(|error| raised(py, error))?;
        let list = PyList::empty(py);
        for (selector, record) in &records {
            list.append((selector, PyBytes::new(py, record)))?;
        }
        Ok(list)
    }

    /// The selector of the record, of those of `hash_recovery_codes`, whose code this is, or None. It takes one hash
    /// for all that were made together; other threads run meanwhile.
    ///
    /// :param records: pairs of selector and sealed record
    /// :raises SealedRecordError: if one of them does not open for this user and selector
    fn find_recovery_code<'py>(
        &self,
        tenant: &Bound<'py, PyAny>,
        user_id: &Bound<'py, PyAny>,
        records: Vec<(Bound<'py, PyString>, Record<'py>)>,
        code: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let py = code.py();
        let (tenant, user) = (text(tenant, "tenant")?, text(user_id, "user_id")?);
        let code = self::code(code, "code")?;
        let pairs = records
            .iter()
            .map(|(selector, sealed)| Ok((text(selector.as_any(), "selector")?, sealed.as_bytes())))
            .collect::<PyResult<Vec<_>>>()?;
        let found = py
            .detach(|| self.0.find_recovery_code(tenant, user, &pairs, code))
            .map_err(|error| raised(py, error))?;
        Ok(found.map(|selector| PyString::new(py, selector)))
    }

    /// The work of a `check_recovery_code`, for a code whose selector is not there: it then takes as long.
    fn dummy_check(&self, hashing: &Bound<'_, PyHashing>) -> PyResult<()> {
        let py = hashing.py();
        let hashing = hashing.get().0;
        py.detach(|| recovery::dummy_check(hashing)).map_err(|error| raised(py, error))
    }

    /// The selector of a recovery code as typed, or None for what is none.
    #[staticmethod]
    fn recovery_selector<'py>(code: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
        let parsed = RecoveryCode::parse(self::code(code, "code")?);
        Ok(parsed.map(|parsed| PyString::new(code.py(), parsed.selector())))
    }

    /// HMAC-SHA-256 of texts, each with its length, under a key that is derived for this label from one of the
    /// keyring: for a token that a client keeps. None if the keyring has no such key.
    ///
    /// :param key_id: of `key_ids`
    /// :returns: 32 bytes
    fn mac<'py>(
        &self,
        key_id: &Bound<'py, PyAny>,
        label: &Bound<'py, PyAny>,
        texts: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let py = key_id.py();
        let (id, label) = (text(key_id, "key_id")?, text(label, "label")?);
        let texts = texts.iter().collect::<Vec<_>>();
        let texts = texts.iter().map(|part| text(part, "texts")).collect::<PyResult<Vec<_>>>()?;
        let Some(key) = self.0.keys().find(|key| key.id().to_string() == id) else {
            return Ok(None);
        };
        let mac = self.0.mac(key.id(), label, &texts).map_err(|error| raised(py, error))?;
        Ok(Some(PyBytes::new(py, &mac)))
    }

    /// The same contents under the key that seals, or None if they are under it already. The record is opened in
    /// either case, so that a sweep finds a changed one.
    ///
    /// :param owner: of a recovery code's record, the selector is the factor
    /// :param purpose: "otp" or "recovery"
    /// :raises SealedRecordError: if the record does not open for this owner and purpose
    fn reseal<'py>(
        &self,
        owner: OwnerTuple<'py>,
        purpose: &Bound<'py, PyAny>,
        sealed: Record<'py>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let py = purpose.py();
        let name = text(purpose, "purpose")?;
        let purpose = Purpose::ALL.into_iter().find(|purpose| purpose.name() == name);
        let purpose = purpose.ok_or_else(|| PyValueError::new_err("purpose must be 'otp' or 'recovery'"))?;
        let record =
            self.0.reseal(&owner.get()?, purpose, sealed.as_bytes()).map_err(|error| raised(py, error))?;
        Ok(record.map(|record| PyBytes::new(py, &record)))
    }

    /// The id of the key that sealed a record, read and not verified.
    ///
    /// :raises SealedRecordError: if it is no sealed record
    #[staticmethod]
    fn key_id(py: Python<'_>, sealed: Record<'_>) -> PyResult<String> {
        vault::key_id(sealed.as_bytes()).map(|id| id.to_string()).map_err(|error| raised(py, error))
    }

    fn __repr__(&self) -> String {
        let keys = self.0.keys().count();
        let plural = if keys == 1 { "" } else { "s" };
        format!("<Keyring of {keys} key{plural}, seals with {}>", self.0.writing().id())
    }

    fn __reduce_ex__(&self, _protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("a keyring is not pickled or copied: it holds its keys"))
    }
}

/// A name for a message, unless it is a key in the wrong place.
fn quotable(name: &str) -> &str {
    if name.contains("ferrotp1_") || name.len() > 4096 { "(not shown)" } else { name }
}
