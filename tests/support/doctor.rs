//! A second checker of playlists and transport streams: media-doctor. Neither it nor the checker in
//! `llhls` has all of the other's rules.

use media_doctor::{
    CcAnomalyCheck, Diagnostic, PatPmtVersionCheck, PtsCheck, Report, SyncByteCheck,
    check_hls_playlist, run_all,
};

/// Problems that media-doctor finds in a playlist.
pub fn playlist(text: &str) -> Vec<String> {
    let mut report = Report::new();
    check_hls_playlist(text, &mut report);
    findings(&report)
}

/// Problems that media-doctor finds in one MPEG-TS segment. Its PCR check is left out: it demands a
/// PCR every 40 ms, a limit that TR 101 290 replaced by ISO/IEC 13818-1's 100 ms.
pub fn transport_stream(bytes: &[u8]) -> Vec<String> {
    let checks: [&dyn Diagnostic; 4] = [
        &SyncByteCheck,
        &PatPmtVersionCheck,
        &CcAnomalyCheck,
        &PtsCheck,
    ];
    let mut report = Report::new();
    run_all(bytes, &checks, &mut report);
    findings(&report)
}

fn findings(report: &Report) -> Vec<String> {
    report.findings().iter().map(ToString::to_string).collect()
}
