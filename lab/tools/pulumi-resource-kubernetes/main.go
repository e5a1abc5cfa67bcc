// The official Pulumi Kubernetes provider, built from its Go module.
//
// The module's own main embeds two files that its Makefile generates. They lie in the module under other names; the
// lab copies them beside this file before it builds.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

var version string

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

func main() {
	provider.Serve("kubernetes", version, schema, terraformMapping)
}
