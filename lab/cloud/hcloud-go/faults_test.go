package hcloudgo

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

// fault asks the lab for one.
func fault(t *testing.T, fields map[string]any) {
	t.Helper()
	body, _ := json.Marshal(fields)
	url := strings.TrimSuffix(os.Getenv("HCLOUD_ENDPOINT"), "/v1") + "/lab/faults"
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+os.Getenv("HCLOUD_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusCreated {
		t.Fatal(response, err)
	}
}

func TestFaults(t *testing.T) {
	// The client repeats what was refused for a moment, and reports what stays refused.
	fault(t, map[string]any{"match": "GET /v1/servers*", "kind": "rate-limit", "times": 2})
	must(c.Server.List(ctx, hcloud.ServerListOpts{}))
	fault(t, map[string]any{"match": "GET /v1/servers*", "kind": "rate-limit", "times": 3})
	_, response, err := c.Server.List(ctx, hcloud.ServerListOpts{})
	refused(t, err, hcloud.ErrorCodeRateLimitExceeded, 429, "limit of 3600 requests per hour reached")
	if limit := response.Meta.Ratelimit; limit.Limit != 3600 || limit.Reset.IsZero() {
		t.Errorf("rate limit: %+v", limit)
	}
	fault(t, map[string]any{"match": "POST /v1/servers", "kind": "unavailable"})
	_, _, err = c.Server.Create(ctx, hcloud.ServerCreateOpts{Name: "full", ServerType: cx23, Image: debian})
	refused(t, err, hcloud.ErrorCodeResourceUnavailable, 412, "currently unavailable")

	// An action that fails late fails the client's waiter, with its code.
	fault(t, map[string]any{"match": "POST /v1/servers", "kind": "late-failure", "code": "placement_error", "message": "no room"})
	result := must(c.Server.Create(ctx, hcloud.ServerCreateOpts{Name: "late", ServerType: cx23, Image: debian}))
	err = c.Action.WaitFor(ctx, result.Action)
	failure, isAction := err.(hcloud.ActionError)
	if !isAction || failure.Code != string(hcloud.ErrorCodePlacementError) || failure.Message != "no room" {
		t.Errorf("got %v", err)
	}
	done(must(c.Server.DeleteWithResult(ctx, result.Server)).Action)
}
