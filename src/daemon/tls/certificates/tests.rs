use super::super::self_made::make;
use super::*;

const LIMIT: Duration = Duration::from_secs(20);

struct Fixture {
    folder: tempfile::TempDir,
    files: Files,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        let fixture = Self { folder, files };
        fixture.write(&made());
        fixture
    }

    fn source(&self) -> Source {
        Source::Files(self.files.clone())
    }

    fn write(&self, (certificate, key): &(String, String)) {
        std::fs::write(&self.files.certificate, certificate).unwrap();
        std::fs::write(&self.files.key, key).unwrap();
    }
}

fn made() -> (String, String) {
    make(vec!["localhost".to_owned()], SystemTime::now()).unwrap()
}

fn fingerprint(certificates: &Certificates) -> String {
    certificates.in_force().about().fingerprint.clone()
}

/// Waits until another certificate than `old` is in force.
async fn exchanged(certificates: &Certificates, old: &str) -> String {
    let new = async {
        while fingerprint(certificates) == old {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fingerprint(certificates)
    };
    tokio::time::timeout(LIMIT, new).await.expect("an exchange")
}

#[test]
fn a_look_tells_what_is_new_once() {
    let fixture = Fixture::new();
    let (source, now) = (fixture.source(), SystemTime::now());
    let mut look = Look::default();
    assert!(look.at(&source, now).unwrap().is_some());
    assert!(look.at(&source, now).unwrap().is_none());
    std::fs::write(&fixture.files.key, made().1).unwrap();
    let path = |missing: Missing| match missing {
        Missing::File { path, error } => (path, error.to_string()),
        Missing::SelfMade(error) => panic!("{error}"),
    };
    let (file, said) = path(look.at(&source, now).unwrap_err());
    assert!(
        file == fixture.files.key && said.contains("does not fit"),
        "{said}"
    );
    assert!(
        look.at(&source, now).unwrap().is_none(),
        "a mistake is told once"
    );
    look.again();
    assert!(
        look.at(&source, now).is_err(),
        "and again when somebody asks"
    );
    std::fs::remove_file(&fixture.files.certificate).unwrap();
    let (file, _) = path(look.at(&source, now).unwrap_err());
    assert_eq!(file, fixture.files.certificate);
    assert!(look.at(&source, now).unwrap().is_none());
    fixture.write(&made());
    assert!(look.at(&source, now).unwrap().is_some());
}

#[tokio::test]
async fn files_that_change_are_taken_and_others_when_the_configuration_says_so() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    let (certificates, keeper) = Certificates::open(fixture.source()).unwrap().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(keeper.run(shutdown.clone()));
    let first = fingerprint(&certificates);
    fixture.write(&made());
    let second = exchanged(&certificates, &first).await;

    certificates.take_from(other.source());
    let third = exchanged(&certificates, &second).await;
    certificates.take_from(Source::SelfMade(fixture.folder.path().to_owned()));
    let fourth = exchanged(&certificates, &third).await;
    assert_eq!(certificates.in_force().about().origin, Origin::SelfMade);
    certificates.take_from(fixture.source());
    assert_eq!(exchanged(&certificates, &fourth).await, second);
    shutdown.cancel();
    tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_change_before_the_first_look_is_seen() {
    let fixture = Fixture::new();
    let (certificates, keeper) = Certificates::open(fixture.source()).unwrap().unwrap();
    let first = fingerprint(&certificates);
    fixture.write(&made());
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(keeper.run(shutdown.clone()));
    exchanged(&certificates, &first).await;
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn without_a_usable_pair_nothing_begins() {
    let fixture = Fixture::new();
    std::fs::write(&fixture.files.key, "").unwrap();
    let missing = Certificates::open(fixture.source()).unwrap().unwrap_err();
    let text = missing.to_string();
    assert!(text.contains("key.pem: there is no private key"), "{text}");
    assert!(
        text.contains("privkey.pem") && !text.contains('\n'),
        "{text}"
    );
}

#[tokio::test]
async fn the_one_of_an_authority_takes_the_place_of_weirs_own() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept.pem");
    let source = Source::Authority {
        kept: kept.clone(),
        is_trial: false,
        data: folder.path().to_owned(),
    };
    assert_eq!(source.examine().unwrap(), None, "nothing is made yet");
    let (certificates, keeper) = Certificates::open(source.clone()).unwrap().unwrap();
    let origin = || certificates.in_force().about().origin;
    assert_eq!(origin(), Origin::SelfMade);
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(keeper.run(shutdown.clone()));
    let own = fingerprint(&certificates);
    let (certificate, key) = made();
    std::fs::write(&kept, format!("{key}{certificate}")).unwrap();
    certificates.look();
    let first = exchanged(&certificates, &own).await;
    assert_eq!(origin(), Origin::Authority);
    let about = source.examine().unwrap().unwrap();
    assert_eq!(about.fingerprint, first);
    shutdown.cancel();
    task.await.unwrap();

    // What cannot be used does not keep the port closed.
    std::fs::write(&kept, "half").unwrap();
    let (certificates, _) = Certificates::open(source.clone()).unwrap().unwrap();
    assert_eq!(fingerprint(&certificates), own);
    assert!(source.examine().is_err());
}
