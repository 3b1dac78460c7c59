// Verifies a webhook with the Standard Webhooks reference library for Go: the secret is the first argument, the request
// comes on standard input as JSON {"headers": {...}, "body": "..."}. Prints "verified" and the id, or why not.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type request struct {
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func main() {
	if err := verify(); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func verify() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: signatures SECRET < REQUEST")
	}
	webhook, err := standardwebhooks.NewWebhook(os.Args[1])
	if err != nil {
		return err
	}
	var got request
	if err := json.NewDecoder(os.Stdin).Decode(&got); err != nil {
		return err
	}
	headers := http.Header{}
	for name, value := range got.Headers {
		headers.Set(name, value)
	}
	if err := webhook.Verify([]byte(got.Body), headers); err != nil {
		return err
	}
	fmt.Println("verified", headers.Get("webhook-id"))
	return nil
}
