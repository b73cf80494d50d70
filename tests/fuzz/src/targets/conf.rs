//! The second copy of the settings, in the raw sectors of the `conf` partition.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use evener_config::Config;
use evener_disk::{Blocks, Lba, SECTOR, SparseDisk};
use evener_store::{Copies, Record};
use sha2::{Digest, Sha256};

use crate::targets::{control, verdict};
use crate::{Target, Verdict};

/// First byte: bit 0 puts the record's digest right. Then a place of the partition: magic, length, and from byte 16 on the
/// record, which is moved to the next sector.
pub(super) const CONF: Target = Target {
    name: "conf",
    what: "a record of the settings in the conf partition",
    run,
    seeds,
    longest: 8 << 10,
    short: 4000,
    // A service takes some kilobytes of memory and can be written in 45 bytes.
    memory: 4 << 20,
};

/// Sectors of a place here; four of them are a partition.
const PLACE: u64 = 24;
const MAGIC: &[u8; 8] = b"EVNCONF1";
/// Where the digest is in a record: behind `{"sha256":"`.
const DIGEST_AT: usize = 11;

fn record(generation: u64, parent: Option<&str>) -> String {
    let mut config = Config::default();
    let service = r#"{"id":1,"address":{"own":"eth0"},"port":80,"real_servers":[{"id":1,"address":"10.0.0.1","port":8080}]}"#;
    config.shared.virtual_services = vec![serde_json::from_str(service).unwrap()];
    let config = evener_config::sparse(&config).unwrap();
    let parent = parent.map_or_else(|| "null".to_owned(), |digest| format!("\"{digest}\""));
    format!(
        r#"{{"format":1,"generation":{generation},"parent":{parent},"author":"bal","unix_s":1790000000,"summary":["service web added"],"next_ids":{{"vs":2,"rs":3}},"config":{config}}}"#
    )
}

fn envelope(record: &str) -> String {
    let digest = hex_digest(record.as_bytes());
    format!("{{\"sha256\":\"{digest}\",\"record\":{record}}}\n")
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the seeds hold: how each is to be taken, and the record.
fn records() -> [(u8, String); 3] {
    let later = record(42, None).replace("\"format\":1", "\"format\":2");
    [(0, record(1, None)), (1, record(41, Some(&"ab".repeat(32)))), (1, later)]
}

/// Digests that were written for their records.
static WRITTEN: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| records().iter().map(|(_, record)| hex_digest(record.as_bytes())).collect());

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (control, record) in records() {
        let text = envelope(&record);
        let mut place = vec![control];
        place.extend(MAGIC);
        place.extend((text.len() as u64).to_le_bytes());
        place.extend(text.as_bytes());
        seeds.push(place);
    }
    seeds
}

fn run(data: &[u8]) -> Verdict {
    let (control, bytes) = control(data);
    let (head, text) = bytes.split_at(bytes.len().min(16));
    let mut text = text.to_vec();
    if control & 1 != 0 {
        put_digest_right(&mut text);
    }
    let mut disk = SparseDisk::new(4 * PLACE);
    let mut sectors = head.to_vec();
    sectors.resize(SECTOR, 0);
    sectors.extend(&text);
    sectors.resize(sectors.len().next_multiple_of(SECTOR), 0);
    disk.write(Lba(u64::from(control >> 6) * PLACE), &sectors).unwrap();
    let (_, found) = Copies::open(disk).unwrap();
    let Some((record, digest)) = found else {
        // What kept it from being taken is not told; as far as can be seen from outside:
        let whole = inner(&text).map(hex_digest);
        let stated = text.get(DIGEST_AT..DIGEST_AT + 64).map(|hex| String::from_utf8_lossy(hex).into_owned());
        return verdict((
            0,
            head.starts_with(MAGIC),
            head.get(10) == Some(&0),
            whole.is_some() && whole == stated,
        ));
    };
    // Where the digest was not put right, only what an encoder wrote is taken.
    assert!(control & 1 != 0 || WRITTEN.contains(&digest.to_string()), "{digest}");
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    verdict((1, record.parent.is_some(), record.summary.len().min(4), record.author.len().min(4)))
}

/// The record in its envelope, if it is spelt as we spell it.
fn inner(text: &[u8]) -> Option<&[u8]> {
    let from = DIGEST_AT + 64 + "\",\"record\":".len();
    let to = text.iter().rposition(|byte| *byte == b'}')?;
    text.get(from..to)
}

fn put_digest_right(text: &mut [u8]) {
    let Some(hex) = inner(text).map(hex_digest) else { return };
    if let Some(place) = text.get_mut(DIGEST_AT..DIGEST_AT + 64) {
        place.copy_from_slice(hex.as_bytes());
    }
}
