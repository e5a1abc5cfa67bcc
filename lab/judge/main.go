// Command judge says what one version of Headscale says of a policy or of a configuration, without a server:
// it reads one question per line as JSON, and answers each in one line. It is built once for each version.
package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/juanfont/headscale/hscontrol/policy"
	"github.com/juanfont/headscale/hscontrol/types"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/log"
	"github.com/spf13/viper"
	"gorm.io/gorm"
	"tailscale.com/tailcfg"
)

type question struct {
	Kind  string // policy or config
	Text  string
	Users []user
	Nodes []node
	Env   map[string]string
}

type user struct {
	ID         uint
	Name       string
	Email      string
	ProviderID string `json:"provider_id"`
}

type node struct {
	Hostname string
	User     uint // 0 for a tagged node
	Tags     []string
	IPv4     string
	IPv6     string
	Routes   []netip.Prefix // offered, and approved
}

// answer is what Headscale says: at "start", or, of what it would start with, only at "store" (SetPolicy).
type answer struct {
	OK    bool   `json:"ok"`
	Stage string `json:"stage,omitempty"`
	Error string `json:"error,omitempty"`
}

// Some policies let Headscale take memory and time without end: the process ends first.
const (
	mostMemory = 2 << 30
	mostTime   = 20 * time.Second
)

func main() {
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: mostMemory, Max: mostMemory}); err != nil {
		panic(err)
	}
	// Some mistakes in a configuration end the process by log.Fatal: they are answered before it ends.
	log.Logger = zerolog.New(fatal{})
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		endless := time.AfterFunc(mostTime, func() {
			write(refused("start", fmt.Errorf("does not end within %v", mostTime)))
			os.Exit(1)
		})
		said := judged(line)
		endless.Stop()
		write(said)
	}
}

type fatal struct{}

func (fatal) Write(line []byte) (int, error) { return len(line), nil }

func (fatal) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	if level == zerolog.FatalLevel {
		var said struct{ Message, Error string }
		_ = json.Unmarshal(line, &said)
		write(refused("start", errors.New(strings.TrimSpace(said.Message+" "+said.Error))))
	}
	return len(line), nil
}

func write(said answer) {
	line, err := json.Marshal(said)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func refused(stage string, err error) answer { return answer{Stage: stage, Error: err.Error()} }

func judged(line []byte) (said answer) {
	defer func() {
		if cause := recover(); cause != nil {
			said = refused("start", fmt.Errorf("panic: %v", cause))
		}
	}()
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return refused("question", err)
	}
	switch asked.Kind {
	case "policy":
		return judgedPolicy(policy.NewPolicyManager, asked)
	case "config":
		return judgedConfig(asked)
	}
	return refused("question", fmt.Errorf("unknown kind %q", asked.Kind))
}

// judgedPolicy does what a start with a stored policy does (state.NewState), and then what the API does with a new one
// (grpcv1.go, SetPolicy). The type of the nodes is the version's own.
func judgedPolicy[N any](
	newManager func([]byte, []types.User, N) (policy.PolicyManager, error), asked question,
) answer {
	users := usersOf(asked)
	nodes := nodesOf(asked, users)
	list, is := any(nodes).(N)
	if !is {
		list = any(nodes).(interface{ ViewSlice() N }).ViewSlice()
	}
	text := []byte(asked.Text)
	if _, err := newManager(text, users, list); err != nil {
		return refused("start", err)
	}
	running, err := newManager(nil, users, list)
	if err != nil {
		return refused("question", err)
	}
	if _, err := running.SetPolicy(text); err != nil {
		return refused("store", err)
	}
	if len(nodes) > 0 {
		if err := sshPolicy(running, reflect.ValueOf(list)); err != nil {
			return refused("store", fmt.Errorf("verifying SSH rules: %w", err))
		}
	}
	return answer{OK: true}
}

// sshPolicy asks for the SSH rules of the first node; the parameters are the version's own.
func sshPolicy(manager policy.PolicyManager, nodes reflect.Value) error {
	ask := reflect.ValueOf(manager.SSHPolicy)
	arguments := []reflect.Value{}
	if ask.Type().NumIn() > 1 {
		arguments = append(arguments, reflect.ValueOf("https://vpn.example.com"))
	}
	if at := nodes.MethodByName("At"); at.IsValid() {
		arguments = append(arguments, at.Call([]reflect.Value{reflect.ValueOf(0)})[0])
	} else {
		arguments = append(arguments, nodes.Index(0))
	}
	err, _ := ask.Call(arguments)[1].Interface().(error)
	return err
}

func usersOf(asked question) []types.User {
	users := []types.User{}
	for _, one := range asked.Users {
		users = append(users, types.User{
			Model:              gorm.Model{ID: one.ID},
			Name:               one.Name,
			Email:              one.Email,
			ProviderIdentifier: sql.NullString{String: one.ProviderID, Valid: one.ProviderID != ""},
		})
	}
	return users
}

// nodesOf sets the fields whose name or type changed between versions by reflection.
func nodesOf(asked question, users []types.User) types.Nodes {
	nodes := types.Nodes{}
	for index, one := range asked.Nodes {
		made := &types.Node{
			ID:             types.NodeID(index + 1),
			Hostname:       one.Hostname,
			GivenName:      one.Hostname,
			IPv4:           addressOf(one.IPv4),
			IPv6:           addressOf(one.IPv6),
			Hostinfo:       &tailcfg.Hostinfo{Hostname: one.Hostname, RoutableIPs: one.Routes},
			ApprovedRoutes: one.Routes,
		}
		fields := reflect.ValueOf(made).Elem()
		for _, name := range []string{"Tags", "ForcedTags"} {
			if field := fields.FieldByName(name); field.IsValid() {
				field.Set(reflect.ValueOf(one.Tags).Convert(field.Type()))
			}
		}
		for at := range users {
			if users[at].ID == one.User {
				set(fields.FieldByName("UserID"), &users[at].ID)
				set(fields.FieldByName("User"), &users[at])
			}
		}
		nodes = append(nodes, made)
	}
	return nodes
}

// set sets a field that holds a value in one version, and a pointer to it in another.
func set(field reflect.Value, pointer any) {
	value := reflect.ValueOf(pointer)
	if field.Kind() != reflect.Pointer {
		value = value.Elem()
	}
	field.Set(value)
}

func addressOf(text string) *netip.Addr {
	if text == "" {
		return nil
	}
	address := netip.MustParseAddr(text)
	return &address
}

// judgedConfig does what `headscale serve` does before it opens a database.
func judgedConfig(asked question) answer {
	folder, err := os.MkdirTemp("", "judge")
	if err != nil {
		return refused("question", err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "config.yaml")
	if err := os.WriteFile(path, []byte(asked.Text), 0o600); err != nil {
		return refused("question", err)
	}
	for name, value := range asked.Env {
		os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	viper.Reset()
	if err := types.LoadConfig(path, true); err != nil {
		return refused("start", err)
	}
	_, err = types.LoadServerConfig()
	// log.level of the configuration is global.
	zerolog.SetGlobalLevel(zerolog.TraceLevel)
	if err != nil {
		return refused("start", err)
	}
	return answer{OK: true}
}
