# Rails application with Doorkeeper, as packaged by Debian: an OAuth provider and a small API.
# FOLDER is the folder of the database. If PKCE is "no", the tables have no PKCE columns.
ENV["DATABASE_URL"] = "sqlite3:#{ENV.fetch("FOLDER")}/site.db?pool=5&timeout=10000"
require "action_controller/railtie"
require "active_record/railtie"
require "doorkeeper"

PAGE = { previous: nil, next: nil, current: 1, per_page: 30, count: 1, pages: 1 }.freeze

class Site < Rails::Application
  config.root = ENV.fetch("FOLDER")
  config.eager_load = false
  config.secret_key_base = "of a test"
  config.consider_all_requests_local = false
  config.logger = Logger.new(nil)
  config.hosts.clear
end

Site.initialize!

ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:users) { |t| t.string :name }
  create_table :oauth_applications do |t|
    t.string :name, null: false
    t.string :uid, null: false
    t.string :secret, null: false
    t.text :redirect_uri
    t.string :scopes, null: false, default: ""
    t.boolean :confidential, null: false, default: true
    t.timestamps null: false
  end
  create_table :oauth_access_grants do |t|
    t.references :resource_owner, null: false
    t.references :application, null: false
    t.string :token, null: false
    t.integer :expires_in, null: false
    t.text :redirect_uri, null: false
    t.datetime :created_at, null: false
    t.datetime :revoked_at
    t.string :scopes, null: false, default: ""
    next if ENV["PKCE"] == "no"

    t.string :code_challenge
    t.string :code_challenge_method
  end
  create_table :oauth_access_tokens do |t|
    t.references :resource_owner
    t.references :application, null: false
    t.string :token, null: false
    t.string :refresh_token
    t.integer :expires_in
    t.datetime :revoked_at
    t.datetime :created_at, null: false
    t.string :scopes
    t.string :previous_refresh_token, null: false, default: ""
  end
end

class User < ActiveRecord::Base; end

Doorkeeper.configure do
  orm :active_record
  resource_owner_authenticator do
    User.find_by(id: session[:user]) || redirect_to("/sign_in?#{{ back: request.fullpath }.to_query}")
  end
  default_scopes :public
  optional_scopes :redeploy, :jobs, :users, :admin
  access_token_expires_in nil
  force_ssl_in_redirect_uri false
  enforce_configured_scopes
end

class PagesController < ActionController::Base
  def form
    back = ERB::Util.html_escape(params[:back])
    render html: %(<form action="/sign_in" method="post"><input type="hidden" name="back" value="#{back}">
      <input type="text" name="username"><input type="password" name="password"><input type="submit" name="sign_in"
      value="Sign in"></form>).html_safe
  end

  def sign_in
    session[:user] = User.find_or_create_by!(name: params[:username]).id
    redirect_to params[:back]
  end

  # Expire every code and token issued so far.
  def age
    Doorkeeper::AccessGrant.update_all(created_at: 30.days.ago)
    Doorkeeper::AccessToken.update_all(created_at: 30.days.ago, expires_in: 60)
    head :no_content
  end
end

class ApiController < ActionController::API
  before_action(only: :index) { doorkeeper_authorize! :public }
  before_action(only: :deploy) { doorkeeper_authorize! :redeploy }
  before_action(only: %i[echo large]) { doorkeeper_authorize! }

  def index
    user = User.find(doorkeeper_token.resource_owner_id)
    render json: { response: [{ uid: "uid-of-#{user.name}", name: user.name }], count: 1, pagination: PAGE }
  end

  def deploy
    render json: { response: { ok: true, message: "Stack queued for redeployment" } }
  end

  def echo
    render plain: request.body.read.bytesize.to_s
  end

  def large
    headers["Content-Type"] = "application/octet-stream"
    self.response_body = Enumerator.new { |body| 100.times { body << "x" * 10_000 } }
  end
end
Site.routes.draw do
  use_doorkeeper
  get "/sign_in", to: "pages#form"
  post "/sign_in", to: "pages#sign_in"
  post "/test/age", to: "pages#age"
  scope "/api/3" do
    get "stacks.json", to: "api#index"
    post "stacks/:uid/deployments.json", to: "api#deploy"
    post "echo", to: "api#echo"
    get "large", to: "api#large"
  end
end

CALLBACKS = ["https://app.example/callback", "http://127.0.0.1/callback", "urn:ietf:wg:oauth:2.0:oob"].freeze
{ "app" => true, "other" => true, "public" => false }.each do |name, confidential|
  Doorkeeper::Application.create!(
    name: name, uid: name, secret: "#{name}-SECRET-4b1d", redirect_uri: CALLBACKS.join("\n"),
    scopes: "public redeploy jobs users admin", confidential: confidential
  )
end

run Site
