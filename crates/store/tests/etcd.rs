//! What is etcd's own: restarts, compaction, refusals, TLS, and being away.

mod etcd_server;

use bytes::Bytes;
use clock::ManualClock;
use etcd_server::EtcdServer;
use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{
    CommitError, ConnectError, Etcd, EtcdConfig, EtcdTls, Expect, Mutation, Note, ReadError, Revision, Store,
    WatchError, Write,
};

fn put(key: &str, expect: Expect, value: impl Into<Bytes>) -> Write {
    Write { key: key.into(), expect, mutation: Mutation::Put(value.into()), ttl_seconds: None, note: Note::default() }
}

fn config(etcd: &EtcdServer) -> EtcdConfig {
    EtcdConfig { prefix: "/".to_owned(), compaction_interval: None, ..EtcdConfig::new(vec![etcd.endpoint()]) }
}

async fn connect(config: EtcdConfig) -> Etcd {
    Etcd::connect(config, clock::system()).await.unwrap()
}

/// Writers that write until told to stop, through kills of etcd; what they were told was written.
async fn write_until(store: Etcd, stop: Arc<AtomicBool>, writer: usize) -> Vec<(String, u64, String)> {
    let mut done = Vec::new();
    for count in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (key, value) = (format!("/w{writer}/{}", count % 7), format!("{writer}:{count}"));
        match store.commit(put(&key, Expect::Any, value.clone())).await {
            Ok(committed) => done.push((key, committed.revision.0, value)),
            Err(CommitError::Conflict { .. }) => panic!("nothing was expected"),
            Err(_) => {} // etcd was away; the write may or may not be there
        }
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_kills_of_etcd_and_sees_every_acknowledged_write_once() {
    const KILLS: usize = 3;
    let Some(mut etcd) = EtcdServer::start(&[]) else { return };
    let store = connect(config(&etcd)).await;
    let start = store.load().await.unwrap().revision;
    let mut watch = store.watch(start).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4).map(|writer| tokio::spawn(write_until(store.clone(), stop.clone(), writer))).collect();
    let mut seen: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let mut kills = 0;
    let mut last = start;
    let mut until = None;
    let mut writers = Some(writers);
    let mut acknowledged = Vec::new();
    while until.is_none_or(|until| last < until) {
        let batch = watch.next().await.expect("the watch goes on");
        for event in batch.events.iter() {
            assert!(event.revision > last, "{} after {last}", event.revision);
            let value = String::from_utf8(event.value.as_ref().unwrap().to_vec()).unwrap();
            seen.insert(event.revision.0, (event.key.to_string(), value));
        }
        last = batch.through;
        if kills < KILLS && seen.len() > 40 * (kills + 1) {
            kills += 1;
            etcd.kill();
            etcd.start_again();
        }
        if kills == KILLS && seen.len() > 40 * (KILLS + 1) && until.is_none() {
            stop.store(true, Ordering::Relaxed);
            for writer in writers.take().unwrap() {
                acknowledged.extend(writer.await.unwrap());
            }
            until = Some(store.latest().unwrap().await.unwrap());
        }
    }
    assert!(acknowledged.len() > 40);
    for (key, revision, value) in acknowledged {
        assert_eq!(seen.get(&revision), Some(&(key, value)), "revision {revision}");
    }
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.revision, last);
    for entry in loaded.entries {
        let (key, value) = &seen[&entry.revision.0];
        assert_eq!((&*entry.key, &entry.value[..]), (key.as_str(), value.as_bytes()));
    }
}

#[tokio::test]
async fn two_servers_of_one_etcd_see_each_other() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let (one, two) = (connect(config(&etcd)).await, connect(config(&etcd)).await);
    let mut watch = two.watch(Revision(0)).await.unwrap();
    let first = one.commit(put("/a", Expect::Absent, "1")).await.unwrap().revision;
    assert_eq!(watch.next().await.unwrap().events[0].revision, first);
    assert!(two.latest().unwrap().await.unwrap() >= first);
    let second = two.commit(put("/a", Expect::At(first), "2")).await.unwrap().revision;
    let lost = one.commit(put("/a", Expect::At(first), "3")).await.unwrap_err();
    let CommitError::Conflict { actual, latest } = lost else { panic!("{lost}") };
    assert_eq!((actual, latest), (Some(second), second));
}

#[tokio::test]
async fn history_is_bounded_and_what_is_gone_is_said() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    connect(config(&etcd)).await; // waits until it is up: the clock of the next one stands still
    let time = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let period = Duration::from_secs(300);
    let forever = Duration::from_secs(1 << 30);
    let compacting = EtcdConfig { compaction_interval: Some(period), request_timeout: forever, ..config(&etcd) };
    let store = Etcd::connect(compacting, time.clone()).await.unwrap();
    let begin = store.load().await.unwrap().revision;
    let (oldest, last) = loop {
        let last = store.commit(put("/k", Expect::Any, "v")).await.unwrap().revision;
        time.advance(period);
        match store.watch(begin).await {
            Err(WatchError::Compacted { oldest }) => break (oldest, last),
            Ok(_) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(oldest > begin && oldest <= last, "{begin} {oldest} {last}");
    assert!(store.watch(last).await.is_ok());
    // Two servers share the work: the other one's key is respected, not fought over.
    assert_eq!(store.load().await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn what_etcd_refuses_is_said_in_its_words() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    let store = connect(config(&etcd)).await;
    let refused = store.commit(put("/big", Expect::Absent, vec![b'x'; 1_700_000])).await.unwrap_err();
    let CommitError::Refused { message } = refused else { panic!("{refused:?}") };
    assert_eq!(message, "etcdserver: request is too large");
    store.commit(put("/small", Expect::Absent, "x")).await.unwrap();
}

#[tokio::test]
async fn a_full_etcd_refuses_and_still_reads() {
    let Some(etcd) = EtcdServer::start(&["--quota-backend-bytes", "3000000"]) else { return };
    let store = connect(config(&etcd)).await;
    let mut written = 0;
    let message = loop {
        match store.commit(put(&format!("/k{written}"), Expect::Absent, vec![b'x'; 500_000])).await {
            Ok(_) => written += 1,
            Err(CommitError::Refused { message }) => break message,
            Err(other) => panic!("{other:?}"),
        }
        assert!(written < 500, "etcd looks at its size now and then, but it must look");
    };
    assert_eq!(message, "etcdserver: mvcc: database space exceeded");
    assert_eq!(store.load().await.unwrap().entries.len(), written);
}

#[tokio::test]
async fn nothing_hangs_while_etcd_is_away_and_all_goes_on_when_it_is_back() {
    let Some(mut etcd) = EtcdServer::start(&[]) else { return };
    let store = connect(EtcdConfig { request_timeout: Duration::from_millis(300), ..config(&etcd) }).await;
    let first = store.commit(put("/k", Expect::Absent, "1")).await.unwrap().revision;
    let mut watch = store.watch(first).await.unwrap();
    etcd.kill();
    let failed = store.commit(put("/k", Expect::At(first), "2")).await.unwrap_err();
    assert!(matches!(failed, CommitError::Timeout | CommitError::Io(_)), "{failed:?}");
    assert!(store.health().await.is_err());
    assert!(matches!(store.load().await.unwrap_err(), ReadError::Timeout | ReadError::Io(_)));
    assert!(matches!(store.watch(first).await, Err(WatchError::Read(_))));
    etcd.start_again();
    while store.health().await.is_err() {}
    let again = store.commit(put("/k", Expect::At(first), "3")).await;
    let again = again.unwrap_or_else(|error| panic!("what timed out was never sent: {error}")).revision;
    assert_eq!(watch.next().await.unwrap().through, again);
}

#[tokio::test]
async fn no_etcd_is_an_error_that_names_the_place() {
    // Was bound, and so is nobody else's; but nobody listens.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    drop(socket);
    let impatient = EtcdConfig { connect_timeout: Duration::from_secs(1), ..EtcdConfig::new(vec![endpoint.clone()]) };
    let error = Etcd::connect(impatient, clock::system()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("no etcd answers at {endpoint} (tried for 1 s): ")), "{error}");
    let bad = Etcd::connect(EtcdConfig::new(vec!["http://a b".to_owned()]), clock::system()).await.unwrap_err();
    assert!(matches!(bad, ConnectError::Endpoint { .. }), "{bad}");
}

/// A request to etcd's JSON gateway: for what this crate has no business with.
fn gateway(etcd: &EtcdServer, path: &str, body: &str) {
    let address = etcd.endpoint().replace("http://", "");
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_etcd_that_wants_a_name_says_so() {
    let Some(etcd) = EtcdServer::start(&[]) else { return };
    connect(config(&etcd)).await;
    gateway(&etcd, "/v3/auth/user/add", r#"{"name":"root","password":"p"}"#);
    gateway(&etcd, "/v3/auth/role/add", r#"{"name":"root"}"#);
    gateway(&etcd, "/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#);
    gateway(&etcd, "/v3/auth/enable", "{}");
    let error = Etcd::connect(config(&etcd), clock::system()).await.unwrap_err();
    let wanted = format!("etcd at {} does not let us in: etcdserver: user name is empty", etcd.endpoint());
    assert_eq!(error.to_string(), wanted);
}

#[tokio::test]
async fn certificates_open_an_etcd_that_asks_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let ca_pem = parameters.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(parameters, key);
    let pair = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let usages = [rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        parameters.extended_key_usages = usages.to_vec();
        (parameters.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let ca = file("ca.crt", ca_pem.clone());
    let (certificate, key) = pair();
    let (certificate, key) = (file("server.crt", certificate), file("server.key", key));
    let arguments = ["--cert-file", &certificate, "--key-file", &key, "--trusted-ca-file", &ca, "--client-cert-auth"];
    let Some(etcd) = EtcdServer::start(&arguments) else { return };
    let with =
        |identity_pem| EtcdConfig { tls: Some(EtcdTls { ca_pem: ca_pem.clone(), identity_pem }), ..config(&etcd) };
    let store = connect(with(Some(pair()))).await;
    store.commit(put("/k", Expect::Absent, "v")).await.unwrap();
    let impatient = EtcdConfig { connect_timeout: Duration::from_secs(3), ..with(None) };
    let error = Etcd::connect(impatient, clock::system()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}
