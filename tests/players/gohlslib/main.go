// Reads a live stream with gohlslib's client for the given time, and prints how many pictures and
// pieces of sound it got, and what the client complained of.
//
//	gohlslib ADDRESS SECONDS
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gohlslib/v2"
	"github.com/bluenviron/gohlslib/v2/pkg/codecs"
)

func main() {
	seconds, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var pictures, sounds, complaints atomic.Int64
	silent := func(string) {}
	client := &gohlslib.Client{
		URI:                       os.Args[1],
		OnDownloadPrimaryPlaylist: silent,
		OnDownloadStreamPlaylist:  silent,
		OnDownloadSegment:         silent,
		OnDownloadPart:            silent,
		OnDecodeError: func(err error) {
			complaints.Add(1)
			log.Print(err)
		},
	}
	client.OnTracks = func(tracks []*gohlslib.Track) error {
		for _, track := range tracks {
			switch track.Codec.(type) {
			case *codecs.H264:
				client.OnDataH26x(track, func(_, _ int64, _ [][]byte) { pictures.Add(1) })
			case *codecs.MPEG4Audio:
				client.OnDataMPEG4Audio(track, func(_ int64, units [][]byte) { sounds.Add(int64(len(units))) })
			}
		}
		return nil
	}
	if err := client.Start(); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	select {
	case err := <-client.Wait():
		complaints.Add(1)
		log.Print(err)
	case <-time.After(time.Duration(seconds) * time.Second):
	}
	fmt.Printf("pictures=%d sounds=%d complaints=%d\n", pictures.Load(), sounds.Load(), complaints.Load())
}
