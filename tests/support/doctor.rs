//! A second opinion, by another hand: media-doctor's checks of playlists and transport streams. It
//! leaves rules out that the checker in `llhls` has, and the other way round.

use media_doctor::{
    CcAnomalyCheck, Diagnostic, PatPmtVersionCheck, PtsCheck, Report, SyncByteCheck,
    check_hls_playlist, run_all,
};

/// What is wrong with a playlist.
pub fn playlist(text: &str) -> Vec<String> {
    let mut report = Report::new();
    check_hls_playlist(text, &mut report);
    findings(&report)
}

/// What is wrong with one MPEG-TS segment. PCRs are not looked at: this version wants them each 40 ms,
/// a limit that TR 101 290 gave up in favour of ISO/IEC 13818-1's 100 ms.
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
