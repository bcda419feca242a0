// Package puppet runs Puppet on nodes and judges the run by what Puppet wrote
// about it, not by its exit code alone.
//
//	puppet.run(nodes "prod", { noop=true })                        -- what would change
//	local r = puppet.run(nodes("prod"):only "web*", { at_once=2 })
//	puppet.run(node "web1", { apply="/srv/puppet/site.pp" })       -- without a server
//
// It runs `puppet agent --test`, or `puppet apply` for apply=. What it promises:
//
//   - A run counts only when its exit code says so (0 or 2) and the summary that
//     Puppet keeps (last_run_summary.yaml) is of this very run and names no
//     failure. With --noop Puppet exits with 0 whatever is pending: pending says
//     how much would change.
//   - A run that did not take place is an error and never a success: kind
//     "locked" while another run is under way, "refused" when an administrator
//     has disabled Puppet there (with the reason), "exit" for a catalog that
//     could not be had or compiled. A catalog from the cache is not used instead.
//   - What failed is named, as Puppet's report names it.
//
// Puppet on nodes usually has to be root: give sudo="root" where the login is
// not. Run by another user, Puppet quietly uses that user's own folders.
//
// Sources: puppet help agent, puppet help apply (exit codes), "Report format" of
// Puppet 7; tried on Puppet 7.23 with apply, and with the agent where no server
// is needed.
package puppet
