// Package hcloudgo drives the lab's cloud through Hetzner's own client, as the hcloud provider does: what that client
// cannot read, wait for or tell apart, the provider could not either. HCLOUD_ENDPOINT and HCLOUD_TOKEN say where;
// test/engine/cloud-hcloud-go.test.ts starts a cloud whose machines only remember what they were told.
package hcloudgo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRlcGxveWtleWRlcGxveWtleWRlcGxveWtleWRlcGxv deploy@example"

var (
	ctx, _    = context.WithTimeout(context.Background(), 3*time.Minute)
	cx23      = &hcloud.ServerType{Name: "cx23"}
	debian    = &hcloud.Image{Name: "debian-12"}
	fsn1      = &hcloud.Location{Name: "fsn1"}
	labels    = map[string]string{"berth.stack": "production"}
	_, v4, _  = net.ParseCIDR("0.0.0.0/0")
	_, v6, _  = net.ParseCIDR("::/0")
	ourLabels = hcloud.ListOpts{LabelSelector: "berth.stack=production"}
)

// hcloud-go with its own waiting and retrying, only faster.
func client(token string) *hcloud.Client {
	backoff := hcloud.ConstantBackoff(20 * time.Millisecond)
	return hcloud.NewClient(
		hcloud.WithEndpoint(os.Getenv("HCLOUD_ENDPOINT")),
		hcloud.WithToken(token),
		hcloud.WithPollOpts(hcloud.PollOpts{BackoffFunc: backoff}),
		hcloud.WithRetryOpts(hcloud.RetryOpts{BackoffFunc: backoff, MaxRetries: 2}),
	)
}

var c = client(os.Getenv("HCLOUD_TOKEN"))

// must fails the test where it stands: the client's methods answer three values, which leaves no room for a *testing.T.
func must[T any](value T, _ *hcloud.Response, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func gone(_ *hcloud.Response, err error) {
	must(0, nil, err)
}

// done waits with the client's own waiter.
func done(actions ...*hcloud.Action) {
	must(0, nil, c.Action.WaitFor(ctx, actions...))
}

func act(action *hcloud.Action, _ *hcloud.Response, err error) {
	done(must(action, nil, err))
}

func refused(t *testing.T, err error, code hcloud.ErrorCode, status int, says string) {
	t.Helper()
	var answer hcloud.Error
	if !errors.As(err, &answer) {
		t.Fatalf("got %v, want the error %s", err, code)
	}
	got := line(answer.Code, answer.Response().StatusCode)
	if want := line(code, status); got != want || !strings.Contains(answer.Message, says) {
		t.Errorf("got %s %q, want %s %q", got, answer.Message, want, says)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func line(values ...any) string {
	return strings.TrimSpace(fmt.Sprintln(values...))
}

func rule(port string) hcloud.FirewallRule {
	return hcloud.FirewallRule{
		Direction: hcloud.FirewallRuleDirectionIn,
		Protocol:  hcloud.FirewallRuleProtocolTCP,
		Port:      &port,
		SourceIPs: []net.IPNet{*v4, *v6},
	}
}

func TestCatalogue(t *testing.T) {
	kind := must(c.ServerType.Get(ctx, "cx23"))
	equal(t, "cores", kind.Cores, 2)
	equal(t, "architecture", kind.Architecture, hcloud.ArchitectureX86)
	equal(t, "priced in", kind.Pricings[0].Location.Name, "fsn1")
	equal(t, "found by its id", must(c.ServerType.GetByID(ctx, kind.ID)).Name, "cx23")
	equal(t, "zone", must(c.Location.Get(ctx, "ash")).NetworkZone, hcloud.NetworkZoneUSEast)
	equal(t, "locations", len(must(c.Location.List(ctx, hcloud.LocationListOpts{}))), 6)
	for _, architecture := range []hcloud.Architecture{hcloud.ArchitectureX86, hcloud.ArchitectureARM} {
		image := must(c.Image.GetForArchitecture(ctx, "debian-12", architecture))
		equal(t, "architecture", image.Architecture, architecture)
		equal(t, "image", must(c.Image.GetByID(ctx, image.ID)).OSVersion, "12")
	}
	equal(t, "currency", must(c.Pricing.Get(ctx)).Currency, "EUR")
	if unknown := must(c.ServerType.Get(ctx, "cx99")); unknown != nil {
		t.Errorf("cx99 exists: %v", unknown)
	}
}

// A host as components/host makes it: key, address, firewall and volume first, the server with all of them.
func TestServer(t *testing.T) {
	key := must(c.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "deploy", PublicKey: publicKey, Labels: labels}))
	equal(t, "key by fingerprint", must(c.SSHKey.GetByFingerprint(ctx, key.Fingerprint)).ID, key.ID)
	address := must(c.PrimaryIP.Create(ctx, hcloud.PrimaryIPCreateOpts{
		Name: "web", Type: hcloud.PrimaryIPTypeIPv4, AssigneeType: "server", Location: "fsn1", Labels: labels, AutoDelete: hcloud.Ptr(false),
	})).PrimaryIP
	firewall := must(c.Firewall.Create(ctx, hcloud.FirewallCreateOpts{Name: "web", Labels: labels, Rules: []hcloud.FirewallRule{rule("443")}}))
	done(firewall.Actions...)
	volume := must(c.Volume.Create(ctx, hcloud.VolumeCreateOpts{Name: "data", Size: 10, Location: fsn1, Format: hcloud.Ptr("ext4"), Labels: labels}))
	done(append(volume.NextActions, volume.Action)...)
	options := hcloud.ServerCreateOpts{
		Name: "web", ServerType: cx23, Image: debian, Location: fsn1, SSHKeys: []*hcloud.SSHKey{key}, Labels: labels,
		UserData: "#cloud-config\n", Volumes: []*hcloud.Volume{volume.Volume},
		Firewalls: []*hcloud.ServerCreateFirewall{{Firewall: *firewall.Firewall}},
		PublicNet: &hcloud.ServerCreatePublicNet{EnableIPv4: true, EnableIPv6: true, IPv4: address},
	}
	result := must(c.Server.Create(ctx, options))
	equal(t, "status", result.Server.Status, hcloud.ServerStatusInitializing)
	equal(t, "action", result.Action.Status, hcloud.ActionStatusRunning)
	done(append(result.NextActions, result.Action)...)
	server := must(c.Server.GetByID(ctx, result.Server.ID))
	equal(t, "status", server.Status, hcloud.ServerStatusRunning)
	equal(t, "type", server.ServerType.Name, "cx23")
	equal(t, "image", server.Image.Name, "debian-12")
	equal(t, "location", server.Location.Name, "fsn1")
	equal(t, "address", server.PublicNet.IPv4.IP.String(), address.IP.String())
	equal(t, "IPv6", server.PublicNet.IPv6.Network != nil, true)
	equal(t, "firewall", server.PublicNet.Firewalls[0].Status, hcloud.FirewallStatusApplied)
	equal(t, "volume", server.Volumes[0].ID, volume.Volume.ID)
	equal(t, "found by name", must(c.Server.Get(ctx, "web")).ID, server.ID)
	equal(t, "address's assignee", must(c.PrimaryIP.GetByIP(ctx, address.IP.String())).AssigneeID, server.ID)
	equal(t, "firewall's target", must(c.Firewall.Get(ctx, "web")).AppliedTo[0].Server.ID, server.ID)
	equal(t, "volume's server", must(c.Volume.Get(ctx, "data")).Server.ID, server.ID)

	protection := func(on bool) {
		act(c.Server.ChangeProtection(ctx, server, hcloud.ServerChangeProtectionOpts{Delete: &on, Rebuild: &on}))
		act(c.Volume.ChangeProtection(ctx, volume.Volume, hcloud.VolumeChangeProtectionOpts{Delete: &on}))
		act(c.PrimaryIP.ChangeProtection(ctx, hcloud.PrimaryIPChangeProtectionOpts{ID: address.ID, Delete: on}))
	}
	protection(true)
	_, _, err := c.Server.DeleteWithResult(ctx, server)
	refused(t, err, hcloud.ErrorCodeProtected, 423, "protected")
	_, err = c.Volume.Delete(ctx, volume.Volume)
	refused(t, err, hcloud.ErrorCodeProtected, 423, "protected")
	_, err = c.PrimaryIP.Delete(ctx, address)
	refused(t, err, hcloud.ErrorCodeProtected, 423, "protected")
	protection(false)

	renamed := must(c.Server.Update(ctx, server, hcloud.ServerUpdateOpts{Name: "web-2", Labels: map[string]string{"a": "b"}}))
	equal(t, "name and labels", renamed.Name+renamed.Labels["a"], "web-2b")
	_, _, err = c.Server.ChangeType(ctx, server, hcloud.ServerChangeTypeOpts{ServerType: &hcloud.ServerType{Name: "cx33"}})
	refused(t, err, hcloud.ErrorCodeServerNotStopped, 422, "must be stopped")
	act(c.Server.Shutdown(ctx, server))
	equal(t, "status", must(c.Server.GetByID(ctx, server.ID)).Status, hcloud.ServerStatusOff)
	act(c.Server.ChangeType(ctx, server, hcloud.ServerChangeTypeOpts{ServerType: &hcloud.ServerType{Name: "cx33"}}))
	act(c.Server.Poweroff(ctx, server))
	act(c.Server.Poweron(ctx, server))
	act(c.Server.Reboot(ctx, server))
	equal(t, "type", must(c.Server.GetByID(ctx, server.ID)).ServerType.Name, "cx33")
	if actions, err := c.Server.Action.AllFor(ctx, server, hcloud.ActionListOpts{}); err != nil || len(actions) < 7 {
		t.Errorf("the server's actions: %v, %v", actions, err)
	}

	_, err = c.Volume.Delete(ctx, volume.Volume)
	refused(t, err, hcloud.ErrorCodeInvalidInput, 422, "still attached")
	act(c.Volume.Detach(ctx, volume.Volume))
	act(c.Volume.Resize(ctx, volume.Volume, 20))
	_, _, err = c.Volume.Resize(ctx, volume.Volume, 15)
	refused(t, err, hcloud.ErrorCodeInvalidInput, 422, "must be larger")
	equal(t, "size", must(c.Volume.GetByID(ctx, volume.Volume.ID)).Size, 20)
	act(c.Volume.AttachWithOpts(ctx, volume.Volume, hcloud.VolumeAttachOpts{Server: server, Automount: hcloud.Ptr(false)}))
	_, _, err = c.Volume.Attach(ctx, volume.Volume, server)
	refused(t, err, hcloud.ErrorCodeVolumeAlreadyAttached, 422, "already attached")
	equal(t, "renamed", must(c.Volume.Update(ctx, volume.Volume, hcloud.VolumeUpdateOpts{Name: "data-2"})).Name, "data-2")

	_, err = c.PrimaryIP.Delete(ctx, address)
	refused(t, err, "must_be_unassigned", 422, "assigned")
	_, _, err = c.Server.Create(ctx, withName(options, "other"))
	refused(t, err, hcloud.ErrorCodePrimaryIPAssigned, 422, "already assigned")
	deleted := must(c.Server.DeleteWithResult(ctx, server))
	done(deleted.Action)
	equal(t, "server", must(c.Server.GetByID(ctx, server.ID)), nil)
	equal(t, "volume's server", must(c.Volume.GetByID(ctx, volume.Volume.ID)).Server, nil)
	gone(c.Volume.Delete(ctx, volume.Volume))
	gone(c.PrimaryIP.Delete(ctx, address))
	gone(c.Firewall.Delete(ctx, firewall.Firewall))
	gone(c.SSHKey.Delete(ctx, key))
	equal(t, "addresses left", len(must(c.PrimaryIP.List(ctx, hcloud.PrimaryIPListOpts{}))), 0)
}

func withName(options hcloud.ServerCreateOpts, name string) hcloud.ServerCreateOpts {
	options.Name, options.Volumes = name, nil
	return options
}

func TestFirewall(t *testing.T) {
	result := must(c.Server.Create(ctx, hcloud.ServerCreateOpts{Name: "walled", ServerType: cx23, Image: debian, Labels: labels}))
	server := result.Server
	done(append(result.NextActions, result.Action)...)
	firewall := must(c.Firewall.Create(ctx, hcloud.FirewallCreateOpts{Name: "walled"})).Firewall
	done(must(c.Firewall.SetRules(ctx, firewall, hcloud.FirewallSetRulesOpts{Rules: []hcloud.FirewallRule{rule("80"), rule("443"), {
		Direction: hcloud.FirewallRuleDirectionOut, Protocol: hcloud.FirewallRuleProtocolICMP, DestinationIPs: []net.IPNet{*v4}, Description: hcloud.Ptr("ping"),
	}}}))...)
	got := must(c.Firewall.GetByID(ctx, firewall.ID)).Rules
	equal(t, "rules", line(len(got), *got[1].Port, len(got[1].SourceIPs), *got[2].Description), "3 443 2 ping")
	for _, target := range []hcloud.FirewallResource{
		{Type: hcloud.FirewallResourceTypeServer, Server: &hcloud.FirewallResourceServer{ID: server.ID}},
		{Type: hcloud.FirewallResourceTypeLabelSelector, LabelSelector: &hcloud.FirewallResourceLabelSelector{Selector: "berth.stack"}},
	} {
		targets := []hcloud.FirewallResource{target}
		done(must(c.Firewall.ApplyResources(ctx, firewall, targets))...)
		equal(t, "firewalls", len(must(c.Server.GetByID(ctx, server.ID)).PublicNet.Firewalls), 1)
		_, _, err := c.Firewall.ApplyResources(ctx, firewall, targets)
		refused(t, err, hcloud.ErrorCodeFirewallAlreadyApplied, 422, "already applied")
		_, err = c.Firewall.Delete(ctx, firewall)
		refused(t, err, hcloud.ErrorCodeResourceInUse, 422, "still in use")
		// As the provider does it: what was read is sent back.
		done(must(c.Firewall.RemoveResources(ctx, firewall, must(c.Firewall.GetByID(ctx, firewall.ID)).AppliedTo))...)
		done(must(c.Firewall.RemoveResources(ctx, firewall, targets))...)
		equal(t, "firewalls", len(must(c.Server.GetByID(ctx, server.ID)).PublicNet.Firewalls), 0)
	}
	bad := rule("443")
	bad.Port = nil
	_, _, err := c.Firewall.SetRules(ctx, firewall, hcloud.FirewallSetRulesOpts{Rules: []hcloud.FirewallRule{bad}})
	refused(t, err, hcloud.ErrorCodeInvalidInput, 422, "required for tcp and udp")
	equal(t, "name", must(c.Firewall.Update(ctx, firewall, hcloud.FirewallUpdateOpts{Name: "wall"})).Name, "wall")
	gone(c.Firewall.Delete(ctx, firewall))
	done(must(c.Server.DeleteWithResult(ctx, server)).Action)
}

func TestZone(t *testing.T) {
	result := must(c.Zone.Create(ctx, hcloud.ZoneCreateOpts{Name: "example.org", Mode: hcloud.ZoneModePrimary, TTL: hcloud.Ptr(300), Labels: labels}))
	done(result.Action)
	zone := must(c.Zone.Get(ctx, "example.org"))
	equal(t, "zone", zone.ID, result.Zone.ID)
	equal(t, "TTL", zone.TTL, 300)
	equal(t, "nameservers", zone.AuthoritativeNameservers.Assigned[0], "hydrogen.ns.hetzner.com.")
	act(c.Zone.ChangeTTL(ctx, zone, hcloud.ZoneChangeTTLOpts{TTL: 600}))
	equal(t, "labels", must(c.Zone.Update(ctx, zone, hcloud.ZoneUpdateOpts{Labels: map[string]string{"a": "b"}})).Labels["a"], "b")

	one, two := []hcloud.ZoneRRSetRecord{{Value: "198.18.26.10"}}, []hcloud.ZoneRRSetRecord{{Value: "198.18.26.10"}, {Value: "198.18.26.11", Comment: "second"}}
	options := hcloud.ZoneRRSetCreateOpts{Name: "www", Type: hcloud.ZoneRRSetTypeA, TTL: hcloud.Ptr(120), Labels: labels, Records: one}
	created := must(c.Zone.CreateRRSet(ctx, zone, options))
	done(created.Action)
	_, _, err := c.Zone.CreateRRSet(ctx, zone, options)
	refused(t, err, hcloud.ErrorCodeUniquenessError, 409, "already exists")
	rrset := must(c.Zone.GetRRSetByNameAndType(ctx, zone, "www", hcloud.ZoneRRSetTypeA))
	equal(t, "record set", line(rrset.ID, *rrset.TTL, rrset.Records), line("www/A", 120, one))
	act(c.Zone.SetRRSetRecords(ctx, rrset, hcloud.ZoneRRSetSetRecordsOpts{Records: two}))
	act(c.Zone.ChangeRRSetTTL(ctx, rrset, hcloud.ZoneRRSetChangeTTLOpts{}))
	must(c.Zone.UpdateRRSet(ctx, rrset, hcloud.ZoneRRSetUpdateOpts{Labels: map[string]string{"a": "b"}}))
	rrset = must(c.Zone.GetRRSetByID(ctx, zone, "www/A"))
	equal(t, "record set", line(rrset.TTL, rrset.Labels, rrset.Records), line(nil, map[string]string{"a": "b"}, two))
	_, _, err = c.Zone.SetRRSetRecords(ctx, rrset, hcloud.ZoneRRSetSetRecordsOpts{Records: []hcloud.ZoneRRSetRecord{{Value: "::1"}}})
	refused(t, err, hcloud.ErrorCodeInvalidInput, 422, "is not an IPv4 address")
	if all, err := c.Zone.AllRRSetsWithOpts(ctx, zone, hcloud.ZoneRRSetListOpts{Type: []hcloud.ZoneRRSetType{hcloud.ZoneRRSetTypeA, hcloud.ZoneRRSetTypeNS}}); err != nil || len(all) != 2 {
		t.Errorf("record sets: %v, %v", all, err)
	}

	protect := hcloud.Ptr(true)
	act(c.Zone.ChangeRRSetProtection(ctx, rrset, hcloud.ZoneRRSetChangeProtectionOpts{Change: protect}))
	act(c.Zone.ChangeProtection(ctx, zone, hcloud.ZoneChangeProtectionOpts{Delete: protect}))
	_, _, err = c.Zone.DeleteRRSet(ctx, rrset)
	refused(t, err, hcloud.ErrorCodeProtected, 423, "protected")
	_, _, err = c.Zone.Delete(ctx, zone)
	refused(t, err, hcloud.ErrorCodeProtected, 423, "protected")
	*protect = false
	act(c.Zone.ChangeRRSetProtection(ctx, rrset, hcloud.ZoneRRSetChangeProtectionOpts{Change: protect}))
	act(c.Zone.ChangeProtection(ctx, zone, hcloud.ZoneChangeProtectionOpts{Delete: protect}))
	done(must(c.Zone.DeleteRRSet(ctx, rrset)).Action)
	equal(t, "record set", must(c.Zone.GetRRSetByID(ctx, zone, "www/A")), nil)
	done(must(c.Zone.Delete(ctx, zone)).Action)
	equal(t, "zone", must(c.Zone.Get(ctx, "example.org")), nil)
}

func TestPagesAndSelectors(t *testing.T) {
	const count = 57
	for n := range count {
		must(c.PrimaryIP.Create(ctx, hcloud.PrimaryIPCreateOpts{
			Name: fmt.Sprintf("page-%02d", n), Type: hcloud.PrimaryIPTypeIPv4, AssigneeType: "server", Location: "fsn1",
			Labels: map[string]string{"parity": []string{"even", "odd"}[n%2]},
		}))
	}
	all, err := c.PrimaryIP.All(ctx)
	equal(t, "all", line(len(all), err), line(count, nil))
	list, response, _ := c.PrimaryIP.List(ctx, hcloud.PrimaryIPListOpts{ListOpts: hcloud.ListOpts{Page: 3, PerPage: 20}, Sort: []string{"name:desc"}})
	pages := response.Meta.Pagination
	equal(t, "page", line(list[0].Name, len(list), pages.PreviousPage, pages.NextPage, pages.LastPage, pages.TotalEntries), "page-16 17 2 0 3 57")
	for selector, want := range map[string]int{"parity=odd": 28, "parity!=odd": 29, "parity": 57, "!parity": 0, "parity in (odd,even),parity notin (even)": 28} {
		found, err := c.PrimaryIP.AllWithOpts(ctx, hcloud.PrimaryIPListOpts{ListOpts: hcloud.ListOpts{LabelSelector: selector}})
		equal(t, selector, line(len(found), err), line(want, nil))
	}
	_, _, err = c.PrimaryIP.List(ctx, hcloud.PrimaryIPListOpts{ListOpts: hcloud.ListOpts{LabelSelector: "a ~ b"}})
	refused(t, err, hcloud.ErrorCodeInvalidInput, 422, "is not a label selector")
	for _, address := range all {
		gone(c.PrimaryIP.Delete(ctx, address))
	}
}

func TestActions(t *testing.T) {
	first := must(c.Volume.Create(ctx, hcloud.VolumeCreateOpts{Name: "first", Size: 10, Location: fsn1}))
	second := must(c.Volume.Create(ctx, hcloud.VolumeCreateOpts{Name: "second", Size: 10, Location: fsn1}))
	seen := map[int64]hcloud.ActionStatus{}
	err := c.Action.WaitForFunc(ctx, func(action *hcloud.Action) error {
		seen[action.ID] = action.Status
		return nil
	}, first.Action, second.Action)
	equal(t, "statuses", line(seen[first.Action.ID], seen[second.Action.ID], err), "success success <nil>")
	action := must(c.Action.GetByID(ctx, first.Action.ID))
	equal(t, "action", line(action.Command, action.Progress, action.Resources[0].Type, action.Finished.IsZero()), "create_volume 100 volume false")
	err = c.Action.WaitFor(ctx, &hcloud.Action{ID: 1, Status: hcloud.ActionStatusRunning})
	equal(t, "an unknown action", line(err), "actions not found: [1]")
	gone(c.Volume.Delete(ctx, first.Volume))
	gone(c.Volume.Delete(ctx, second.Volume))
}

func TestErrors(t *testing.T) {
	_, _, err := c.Server.Create(ctx, hcloud.ServerCreateOpts{Name: "no host", ServerType: cx23, Image: debian})
	refused(t, err, hcloud.ErrorCodeInvalidInput, 422, "is not a valid hostname")
	var answer hcloud.Error
	errors.As(err, &answer)
	fields := answer.Details.(hcloud.ErrorDetailsInvalidInput).Fields
	equal(t, "field", line(fields[0].Name, fields[0].Messages), "name [is not a valid hostname (RFC 1123)]")
	_, _, err = c.Server.Create(ctx, hcloud.ServerCreateOpts{Name: "net", ServerType: cx23, Image: debian, Networks: []*hcloud.Network{{ID: 1}}})
	refused(t, err, hcloud.ErrorCodeInvalidInput, 422, "is not supported by the lab's cloud")
	_, _, err = c.Server.Create(ctx, hcloud.ServerCreateOpts{Name: "far", ServerType: cx23, Image: debian, Location: &hcloud.Location{Name: "ash"}})
	refused(t, err, hcloud.ErrorCodeResourceUnavailable, 412, "not available in ash")

	key := must(c.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "twice", PublicKey: publicKey}))
	_, _, err = c.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "twice", PublicKey: publicKey})
	refused(t, err, hcloud.ErrorCodeUniquenessError, 409, "name")
	equal(t, "renamed", must(c.SSHKey.Update(ctx, key, hcloud.SSHKeyUpdateOpts{Name: "once", Labels: labels})).Name, "once")
	kept, err := c.SSHKey.AllWithOpts(ctx, hcloud.SSHKeyListOpts{ListOpts: ourLabels})
	equal(t, "by label", slices.ContainsFunc(kept, func(k *hcloud.SSHKey) bool { return k.ID == key.ID }), err == nil)
	gone(c.SSHKey.Delete(ctx, key))
	_, err = c.SSHKey.Delete(ctx, key)
	refused(t, err, hcloud.ErrorCodeNotFound, 404, "not found")
	_, _, err = client(strings.Repeat("x", 64)).Server.List(ctx, hcloud.ServerListOpts{})
	refused(t, err, hcloud.ErrorCodeUnauthorized, 401, "authenticate")
}
