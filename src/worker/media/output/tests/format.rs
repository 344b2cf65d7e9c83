//! The files themselves: what RFC 8216bis section 3.1 says of fragmented MPEG-4 and MPEG-TS.

use super::*;

/// A box: its type and its content.
type Boxed<'a> = (&'a [u8], &'a [u8]);

/// The boxes of one level.
fn boxes(mut bytes: &[u8]) -> Vec<Boxed<'_>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let size = number(&bytes[..4]);
        all.push((&bytes[4..8], &bytes[8..size]));
        bytes = &bytes[size..];
    }
    all
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The contents of all boxes at `path`.
fn at<'a>(bytes: &'a [u8], path: &[&str]) -> Vec<&'a [u8]> {
    path.iter().fold(vec![bytes], |level, name| {
        let inner = level.into_iter().flat_map(boxes);
        inner
            .filter(|found| found.0 == name.as_bytes())
            .map(|found| found.1)
            .collect()
    })
}

/// The content of the one box at `path`.
fn one<'a>(bytes: &'a [u8], path: &[&str]) -> &'a [u8] {
    let found = at(bytes, path);
    assert_eq!(found.len(), 1, "{path:?}");
    found[0]
}

/// "Movie Header Boxes ('mvhd') and Track Header Boxes ('tkhd') MUST have durations of zero." `before`
/// are the bytes between the two times and the duration.
fn assert_no_duration(header: &[u8], before: usize) {
    let (times, bytes) = if header[0] == 1 { (16, 8) } else { (8, 4) };
    let from = 4 + times + before;
    assert_eq!(number(&header[from..from + bytes]), 0);
}

/// Checks an initialization section; returns its `track_ID`.
fn check_init(init: &[u8]) -> usize {
    let order: Vec<_> = boxes(init).iter().map(|found| found.0).collect();
    // It has no sample data.
    assert_eq!(order, [b"ftyp", b"moov"]);
    let brands: Vec<_> = one(init, &["ftyp"])[8..].chunks(4).collect();
    assert!(brands.contains(&&b"iso6"[..]), "{brands:?}");
    assert_no_duration(one(init, &["moov", "mvhd"]), 4);
    let header = one(init, &["moov", "trak", "tkhd"]);
    assert_no_duration(header, 8);
    let tables = one(init, &["moov", "trak", "mdia", "minf", "stbl"]);
    for table in ["stts", "stsc", "stco"] {
        assert_eq!(number(&one(tables, &[table])[4..8]), 0, "{table}");
    }
    assert_eq!(number(&one(tables, &["stsz"])[8..12]), 0);
    let inside: Vec<_> = boxes(one(init, &["moov"]))
        .iter()
        .map(|found| found.0)
        .collect();
    let place = |name: &[u8]| inside.iter().position(|found| *found == name).unwrap();
    assert!(place(b"mvex") > place(b"trak"));
    let references = one(init, &["moov", "trak", "mdia", "minf", "dinf", "dref"]);
    for (_, reference) in boxes(&references[8..]) {
        assert_eq!(reference[3] & 1, 1, "the media is in the same file");
    }
    let times = if header[0] == 1 { 16 } else { 8 };
    number(&header[4 + times..8 + times])
}

/// Checks the fragments of a part; returns the decode time of its first sample.
fn check_part(part: &[u8], track: usize) -> usize {
    let fragments = at(part, &["moof"]);
    assert!(!fragments.is_empty());
    let mut first = None;
    for fragment in fragments {
        for track_fragment in at(fragment, &["traf"]) {
            let header = one(track_fragment, &["tfhd"]);
            let flags = number(&header[1..4]);
            assert_eq!(number(&header[4..8]), track);
            // default-base-is-moof, and no base-data-offset.
            assert_eq!(
                flags & 0x02_0001,
                0x02_0000,
                "movie-fragment-relative addressing"
            );
            let decode = one(track_fragment, &["tfdt"]);
            assert_eq!(decode[0], 1, "a time of 64 bits, which every reader knows");
            first.get_or_insert(number(&decode[4..12]));
            let run = one(track_fragment, &["trun"]);
            assert_eq!(run[3] & 1, 1, "an offset of the media");
            // From the first byte of `moof` to the content of `mdat` behind it.
            assert_eq!(number(&run[8..12]), fragment.len() + 16);
        }
    }
    first.unwrap()
}

#[test]
fn fragmented_mp4_is_as_hls_demands() {
    let (_, messages) = run(FrameRate::whole(30), 4);
    let mut tracks: BTreeMap<TrackId, usize> = BTreeMap::new();
    let mut times: BTreeMap<TrackId, Vec<usize>> = BTreeMap::new();
    for message in &messages {
        match message {
            FromWorker::Init { track, data, .. } => {
                tracks.insert(*track, check_init(data));
            }
            FromWorker::Part(part) => {
                let time = check_part(&part.data, tracks[&part.track]);
                times.entry(part.track).or_default().push(time);
            }
            _ => {}
        }
    }
    assert_eq!(times.len(), 3);
    for (track, times) in times {
        assert!(
            times.len() > 10 && times.is_sorted_by(|a, b| a < b),
            "{track:?}: {times:?}"
        );
    }
}

/// The PID of a packet of MPEG-TS, and its payload if a section begins in it.
fn section(packet: &[u8]) -> (usize, Option<&[u8]>) {
    let pid = number(&packet[1..3]) & 0x1fff;
    let payload = match packet[3] >> 4 & 3 {
        1 => 4,
        3 => 5 + usize::from(packet[4]),
        _ => return (pid, None),
    };
    // The pointer field says where the section begins.
    let begins = packet[1] & 0x40 != 0;
    let table = payload + 1 + usize::from(packet[payload]);
    (pid, begins.then(|| &packet[table..]))
}

/// "Transport Stream Segments MUST contain a single MPEG-2 Program", and "each Transport Stream Segment
/// MUST contain a PAT and a PMT"; these "SHOULD be" its first two packets.
#[test]
fn a_transport_stream_segment_begins_with_the_tables_of_one_program() {
    let (_, messages) = run(FrameRate::whole(30), 4);
    let mut segments = 0;
    for message in &messages {
        let FromWorker::TsSegment(segment) = message else {
            continue;
        };
        let mut packets = segment.data.chunks_exact(188);
        let (pid, table) = section(packets.next().unwrap());
        let table = table.unwrap();
        assert_eq!((pid, table[0]), (0, 0), "a program association table");
        let length = number(&table[1..3]) & 0xfff;
        // Between the header and the checksum, four bytes for each program.
        let programs: Vec<_> = table[8..3 + length - 4].chunks(4).collect();
        let programs: Vec<_> = programs.iter().filter(|p| number(&p[..2]) != 0).collect();
        assert_eq!(programs.len(), 1, "{programs:?}");
        let map = number(&programs[0][2..]) & 0x1fff;
        let (pid, table) = section(packets.next().unwrap());
        assert_eq!((pid, table.unwrap()[0]), (map, 2), "a program map table");
        segments += 1;
    }
    assert!(segments >= 4, "{segments} segments");
}
