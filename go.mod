module github.com/rollsh/rollsh

go 1.26
