// Program interop runs one scenario with Apache's Go client: interop NAMESRV SCENARIO RUN. RUN makes topics and groups
// unique. It prints "ok SCENARIO …" and ends with 0, or what was wrong and 1.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

const watchdog = 120 * time.Second

var scenarios = map[string]func(run) (string, error){
	"sync":   sendSync,
	"async":  sendAsync,
	"oneway": sendOneway,
	"batch":  sendBatch,
	"tags":   tags,
	"order":  order,
	"pull":   pull,

	"dead-letters":  deadLetters,
	"delay":         delay,
	"transaction":   transaction,
	"sql":           sql,
	"request-reply": requestReply,
	"orderly-leave": orderlyLeave,
	"reset":         reset,
	"trace":         trace,
}

func main() {
	if len(os.Args) != 4 || scenarios[os.Args[2]] == nil {
		fmt.Println("usage: interop NAMESRV SCENARIO RUN; scenarios:", slices.Sorted(maps.Keys(scenarios)))
		os.Exit(1)
	}
	name := os.Args[2]
	// The client logs to standard error unless told otherwise.
	if err := rlog.SetOutputPath(filepath.Join(os.Getenv("HOME"), "rocketmq-client-go.log")); err != nil {
		fmt.Println("cannot write the log:", err)
		os.Exit(1)
	}
	time.AfterFunc(watchdog, func() {
		fmt.Printf("failed %s: not done after %s\n", name, watchdog)
		os.Exit(1)
	})
	done, err := scenarios[name](newRun(os.Args[1], name, os.Args[3]))
	if err != nil {
		fmt.Printf("failed %s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Printf("ok %s %s\n", name, done)
}
