// Tells what tools of others say about an object of Kubernetes: the library kstatus, by which Flux and Helm wait, and a health
// script of Argo CD in the interpreter that Argo CD uses, opened as narrowly as there.
//
// It reads one object a line (JSON) from its standard input and answers each with a line:
//
//	{"kstatus": "InProgress", "message": "...", "health": "Progressing", "healthMessage": "..."}
//
// Its argument is the script; without one, health is left out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// Argo CD gives a script one second.
const limit = time.Second

type verdict struct {
	Kstatus       string `json:"kstatus"`
	Message       string `json:"message"`
	Health        string `json:"health,omitempty"`
	HealthMessage string `json:"healthMessage,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	script := ""
	if len(os.Args) > 1 {
		text, err := os.ReadFile(os.Args[1])
		if err != nil {
			return err
		}
		script = string(text)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		answer, err := judge(lines.Bytes(), script)
		if err != nil {
			return err
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func judge(line []byte, script string) (*verdict, error) {
	object := &unstructured.Unstructured{}
	// As the clients of Kubernetes decode: whole numbers are integers.
	if err := object.UnmarshalJSON(line); err != nil {
		return nil, err
	}
	result, err := status.Compute(object)
	if err != nil {
		return nil, err
	}
	answer := &verdict{Kstatus: result.Status.String(), Message: result.Message}
	if script == "" {
		return answer, nil
	}
	if object.GetDeletionTimestamp() != nil {
		// Argo CD asks no script about these.
		answer.Health, answer.HealthMessage = "Progressing", "Pending deletion"
		return answer, nil
	}
	answer.Health, answer.HealthMessage, err = health(object.Object, script)
	return answer, err
}

// Runs a script as Argo CD does: of Lua's libraries it opens package, base and table, and a part of os that health scripts of ours
// must not need; the object is the global obj, and the script returns a table.
func health(object map[string]any, script string) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(library.open), Protect: true}, lua.LString(library.name)); err != nil {
			return "", "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", errors.New("the script returns no table")
	}
	name, ok := answer.RawGetString("status").(lua.LString)
	if !ok {
		return "", "", errors.New("the table has no status")
	}
	message, _ := answer.RawGetString("message").(lua.LString)
	return string(name), string(message), nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case int64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.CreateTable(len(from), 0)
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(from))
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	}
	return lua.LNil
}
