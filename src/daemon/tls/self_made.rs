//! The certificate that weir makes itself, for a local network without a name on the internet.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::pair::{Files, Origin, Pair};
use super::store::{self, StoreError};

/// How long a certificate holds. Apple's systems take none for longer than 825 days
/// (support.apple.com/103769), and whoever has accepted one has to accept the next one, too.
const VALID: Duration = Duration::from_secs(800 * DAY_S);
/// A certificate is replaced so long before it ends.
const RENEWED_BEFORE_END: Duration = Duration::from_secs(30 * DAY_S);
/// Clocks of other machines may be wrong by so much.
const VALID_BEFORE: Duration = Duration::from_secs(DAY_S);
const DAY_S: u64 = 24 * 3600;
/// Names in a certificate.
const NAMES_MAX: usize = 64;

/// The files of the certificate under the data folder.
pub(super) fn files(data: &Path) -> Files {
    let folder = data.join("tls");
    Files {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    }
}

/// The kept certificate; a new one if there is none, if it cannot be used, or if it ends soon. It
/// stays although the addresses of this machine change, so that nobody has to accept another one.
/// Blocks.
pub(super) fn present(data: &Path, now: SystemTime) -> Result<Pair, StoreError> {
    let files = files(data);
    match Pair::load(&files, Origin::SelfMade) {
        Ok(pair) if pair.about().expires > now + RENEWED_BEFORE_END => return Ok(pair),
        Ok(_) => tracing::info!("the certificate made by weir ends soon: a new one is made"),
        Err(error) if files.certificate.exists() && files.key.exists() => {
            tracing::warn!(%error, "the certificate made by weir cannot be used: a new one is made");
        }
        Err(_) => {}
    }
    store::folder(files.key.parent().unwrap_or(data))?;
    let (certificate, key) = make(names(), now)?;
    store::write(&files.key, &key)?;
    store::write(&files.certificate, &certificate)?;
    Ok(Pair::load(&files, Origin::SelfMade)?)
}

/// A certificate for `names` and its key, both in PEM.
pub(super) fn make(names: Vec<String>, now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch.saturating_sub(VALID_BEFORE);
    params.not_after = epoch + since_epoch + VALID;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "weir (made by itself)");
    // Whoever trusts this certificate trusts this server and no other.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// `localhost`, the name of this machine, and its addresses.
fn names() -> Vec<String> {
    let host = rustix::system::uname();
    let host = host
        .nodename()
        .to_str()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let host = Some(host).filter(|host| !host.is_empty() && host.bytes().all(is_name));
    let addresses = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the certificate has no addresses: the system does not tell them");
        Vec::new()
    });
    let addresses = addresses.iter().map(if_addrs::Interface::ip);
    // A link-local address needs the name of an interface behind it, which no certificate has.
    let is_asked = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_link_local(),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    let mut names = vec!["localhost".to_owned()];
    let addresses = addresses
        .filter(is_asked)
        .map(|address| address.to_string());
    for name in host.into_iter().chain(addresses) {
        if !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fingerprint(pair: &Pair) -> &str {
        &pair.about().fingerprint
    }

    #[test]
    fn it_is_kept_until_it_ends_soon() {
        let data = tempfile::tempdir().unwrap();
        let nested = data.path().join("not/yet/there");
        let now = SystemTime::now();
        let first = present(&nested, now).unwrap();
        for name in ["localhost", "127.0.0.1"] {
            assert!(
                first.about().names.iter().any(|other| other == name),
                "{first:?}"
            );
        }
        assert_eq!(first.about().remark(now), None);
        let still = now + VALID - RENEWED_BEFORE_END - Duration::from_secs(DAY_S);
        assert_eq!(
            fingerprint(&present(&nested, still).unwrap()),
            fingerprint(&first)
        );
        let late = still + Duration::from_secs(DAY_S);
        let second = present(&nested, late).unwrap();
        assert_ne!(fingerprint(&second), fingerprint(&first));
        assert!(second.about().expires > late + RENEWED_BEFORE_END);
        let files = files(&nested);
        for (path, mode) in [
            (files.key.as_path(), 0o600),
            (&files.certificate, 0o600),
            (files.key.parent().unwrap(), 0o700),
        ] {
            let metadata = std::fs::metadata(path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path:?}");
        }
        let entries = std::fs::read_dir(files.key.parent().unwrap()).unwrap();
        assert_eq!(entries.count(), 2, "nothing else is left");
    }

    #[test]
    fn what_cannot_be_used_is_replaced() {
        let data = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = present(data.path(), now).unwrap();
        let files = files(data.path());
        let certificate = std::fs::read_to_string(&files.certificate).unwrap();
        // Such as after a loss of power between the two files.
        std::fs::remove_file(&files.key).unwrap();
        let second = present(data.path(), now).unwrap();
        assert_ne!(fingerprint(&second), fingerprint(&first));
        std::fs::write(&files.certificate, certificate).unwrap();
        let third = present(data.path(), now).unwrap();
        assert_ne!(fingerprint(&third), fingerprint(&first));
        assert_ne!(fingerprint(&third), fingerprint(&second));
    }

    #[test]
    fn a_folder_that_cannot_be_used_says_what_to_do() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("data");
        std::fs::write(&file, "").unwrap();
        let error = present(&file, SystemTime::now()).unwrap_err().to_string();
        assert!(
            error.contains("make it writable") && !error.contains('\n'),
            "{error}"
        );
    }
}
